"""The second origin: links that end, and what has no business there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from aiohttp import ClientSession

from collector.emulator import Fault
from tests.support.playing import get, location, playing, read_until_cut

if TYPE_CHECKING:
    from yarl import URL

pytestmark = pytest.mark.anyio


async def status_of(url: URL, **headers: str) -> int:
    """What a stranger is answered who has nothing but the link."""
    async with ClientSession() as stranger:
        response, _ = await get(stranger, url, **headers)
    return response.status


async def test_expired_link_is_refused_in_the_words_of_an_object_storage() -> None:
    async with playing(Fault("link_expired", times=1), redirect_downloads=True) as (_, s, path):
        async with ClientSession() as stranger:
            response, body = await get(stranger, await location(s, path))
        assert response.status == 403
        assert response.content_type == "application/xml"
        error = ET.fromstring(body)  # noqa: S314 - the emulator's own
        assert error.tag == "Error"
        assert error.findtext("Code") == "AccessDenied"
        assert error.findtext("Message") == "Request has expired."


async def test_expired_link_stays_refused_and_a_new_one_is_good() -> None:
    async with playing(Fault("link_expired", times=1), redirect_downloads=True) as (api, s, path):
        old = await location(s, path)
        assert [await status_of(old) for _ in range(2)] == [403, 403]
        assert await status_of(await location(s, path)) == 200
        told = api.statistics()
        assert (told["redirects"], told["object_requests"], told["refused_links"]) == (2, 3, 2)
        assert told["faults"] == {"link_expired": 1}


async def test_link_may_be_good_for_a_number_of_calls() -> None:
    async with playing(redirect_downloads=True, links_expire_after_calls=2) as (_, s, path):
        url = await location(s, path)
        assert [await status_of(url) for _ in range(3)] == [200, 200, 403]
        assert await status_of(await location(s, path)) == 200


async def test_link_may_be_good_for_a_time() -> None:
    async with playing(redirect_downloads=True, links_expire_after_s=0.0) as (_, s, path):
        assert await status_of(await location(s, path)) == 403
    async with playing(redirect_downloads=True, links_expire_after_s=3600.0) as (_, s, path):
        assert await status_of(await location(s, path)) == 200


async def test_every_link_has_a_signature_of_its_own_that_opens_one_archive() -> None:
    async with playing(redirect_downloads=True) as (_, s, path):
        one, other = await location(s, path), await location(s, path)
        assert set(one.query) == {"AccessKeyId", "Expires", "Signature"}
        assert one.query["Signature"] != other.query["Signature"]
        assert await status_of(one.with_path("/another", keep_query=True)) == 403
        assert await status_of(one.update_query(Signature="0" * 32)) == 403


async def test_cut_download_is_gone_on_with_at_the_second_origin() -> None:
    fault = Fault("cut", at=0.4, times=1)
    async with playing(fault, redirect_downloads=True) as (api, s, path):
        async with ClientSession() as stranger:
            received = await read_until_cut(stranger, await location(s, path))
            asked = f"bytes={len(received)}-"
            _, rest = await get(stranger, await location(s, path), Range=asked)
        assert hashlib.sha256(received + rest).hexdigest() == api.truth("s1")["sha256"]
        assert api.statistics()["downloads"]["bytes_by_server"] == {"s1": len(received + rest)}


@pytest.mark.parametrize(
    "name",
    ["X-Auth-Token", "X-Security-Token", "Authorization", "Cookie", "Proxy-Authorization"],
)
async def test_credential_at_the_second_origin_is_refused_and_told(name: str) -> None:
    async with playing(redirect_downloads=True) as (api, s, path):
        assert await status_of(await location(s, path), **{name.lower(): "secret=1"}) == 400
        told = api.statistics()
        assert told["leaked_credentials"] == 1
        assert told["leaked_headers"] == {name: 1}
        assert told["bytes_sent"] == 0


async def test_redirect_sets_a_cookie_that_must_not_go_along() -> None:
    async with playing(redirect_downloads=True) as (_, s, path):
        response, _ = await get(s, path)
        assert "session" in response.cookies
