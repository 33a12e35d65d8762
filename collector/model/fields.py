"""What the fields of events hold, by name; `collector.rundir.journal.values` has their ranges."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT_PROVIDER = "clouddc"
"""The provider of projects that name none, in an inventory or in an older journal."""
PROVIDER_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
"""What a provider's name looks like."""

Time = str
"""A UTC time of a machine's clock."""
AnyTime = str
"""A UTC time that a service or an archive has named: of any year."""
Id = str
"""The vendor's id of a project or a server, as it stands in a URL."""
ExportId = str
"""The service's id of an export."""
Endpoint = str
"""An http(s) URL in the form that `collector.addresses` gives it."""
ProviderName = str
"""What a provider is called, in inventories and where it is installed."""
ProviderNames = str
"""Names of providers, with commas between them."""
Location = str
"""Where an export's archive lies, in words that its provider alone understands."""
ETag = str
"""A strong one, with its quotes."""
FileName = str
"""A safe name of an archive, or of a run's directory."""
DirectoryName = str
"""A safe name of a project's directory."""
RunPath = str
"""A path relative to the run's directory, with slashes: each part is a safe name."""
Digest = str
"""A SHA-256, or an HMAC made with it, in hex."""
ScopeWord = str
"""One of `answers.ScopeKind`."""
CallWord = str
"""One of `answers.Call`."""
Source = str
"""How a limit is known: told, estimated, remembered or refuted."""
Tags = Mapping[str, str]
"""Whatever people write."""
Options = Mapping[str, str]
"""Where a credential's secret is: names of variables, paths, URLs."""
Version = int
"""A schema version that this one reads."""
Index = int
"""The number of a server or of a project, counted from 0."""
Count = int
"""How many; of bytes, too."""
Positive = int
"""How many, at least 1."""
Rate = float
"""Calls a second."""
Share = float
"""A part of something: above 0, at most 1."""
Seconds = float
"""A length of time."""
Offset = float
"""Seconds of either sign."""
Spread = float
"""A standard deviation of logarithms."""
Amount = float
"""How many calls, not always a whole number."""
