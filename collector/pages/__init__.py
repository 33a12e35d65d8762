"""Pages: a run as one HTML file that needs nothing else, from disk or live.

`page.html` is the page as one would write it: it names its style sheets and scripts, which lie
beside it, in the order in which they are to come. `render.py` puts them inside, and a policy that
lets nothing run or load but these. A report has its data inside, too: a `report.page.Page` as JSON,
compressed, in base64. A live page fetches the same JSON, and then hears of changes.

Nothing of a run is ever HTML: the page's script makes text of it.
"""
