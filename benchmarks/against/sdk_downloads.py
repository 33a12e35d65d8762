"""The same downloads by the vendor's SDK in a pool of threads; it proves nothing.

Runs as a script, by an interpreter that has the SDK; the first line it reads is JSON: `url`,
`project`, `archives` (pairs of a server and an export), `out` and `threads`. It prints `ready`,
waits for another line, and answers with what it took, in JSON.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huaweicloudsdkclouddc.v1 import (
    CloudDCClient,
    DownloadServerLogsRequest,
)
from huaweicloudsdkcore.auth.credentials import (
    BasicCredentials,
)
from huaweicloudsdkcore.http.http_config import HttpConfig


def main(plan: dict[str, Any]) -> None:
    """Download all archives of the plan once the word comes."""
    out = Path(plan["out"])
    threads: int = plan["threads"]
    config = HttpConfig.get_default_config()
    config.pool_connections = config.pool_maxsize = threads  # its own ten would be too few
    client = (
        CloudDCClient.new_builder()
        .with_http_config(config)
        .with_credentials(BasicCredentials("ACCESS", "secret", plan["project"]))
        .with_endpoints([plan["url"]])
        .build()
    )

    def download(archive: tuple[str, str]) -> None:
        server, export_id = archive
        directory = out / server
        directory.mkdir()
        request = DownloadServerLogsRequest(id=server, export_id=export_id)
        answer = client.download_server_logs(request)

        def keep(stream: Any) -> None:  # noqa: ANN401  # of requests, which is not installed here
            with (directory / "bms-logs.tar.gz").open("wb") as file:
                for chunk in stream.iter_content(64 << 10):
                    file.write(chunk)

        answer.consume_download_stream(keep)

    with ThreadPoolExecutor(threads) as pool:
        print("ready", flush=True)
        sys.stdin.readline()
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for _ in pool.map(download, plan["archives"]):
            pass
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    print(json.dumps({"took_s": took_s, "cpu_s": cpu_s, "peak_kib": peak_kib()}), flush=True)


def peak_kib() -> int:
    """Return the most memory held; getrusage would count what the process was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
