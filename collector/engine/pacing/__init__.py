"""Who may send when: learning the limits of a service, and keeping within them."""
