from __future__ import annotations

import asyncio
import threading

from gateway.net.imap_calls import HostPool


def test_a_host_that_hangs_takes_its_share_of_the_threads_alone() -> None:
    released, started = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        started.release()
        released.wait()

    async def work() -> None:
        pool = HostPool("test", threads=3, per_host=2)
        hanging = [asyncio.ensure_future(pool.run("imap.bad.example", hang)) for _ in range(9)]
        async with asyncio.timeout(60):
            assert await pool.run("imap.good.example", lambda: "here") == "here"
            await asyncio.to_thread(started.acquire)
            await asyncio.to_thread(started.acquire)
            assert not started.acquire(blocking=False)  # the other seven have no thread
            released.set()
            await asyncio.gather(*hanging)
        pool.close()

    asyncio.run(work())
