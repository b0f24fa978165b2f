"""Ending processes that a command has started."""

import asyncio


async def stop(process: asyncio.subprocess.Process, *, within_s: float) -> None:
    """Kindly, and then not. One that has ended is left alone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
