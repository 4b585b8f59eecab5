"""Brokers that die and hang: rows 1 to 4."""

import asyncio

import httpx

from chaos.parts import Parts, running_parts
from chaos.programs import until, until_told
from chaos.trial import Stage, Trial, Verdict, trial

_WORST_S = 6.0
"""Five seconds, and the way of the answer."""
_NOTICED_S = 60.0
_OK, _UNAVAILABLE = 200, 503


async def broker_killed(stage: Stage) -> Verdict:
    """Row 1: a broker that leads is killed; all goes on without it, and with it again."""
    cluster = stage.brokers
    with cluster.mended():
        async with running_parts(stage.places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                await run.share()
                leader = (await cluster.leaders(parts.settings.log))[0]
                async with run.fault():
                    await cluster.kill(leader)
                async with run.fault():
                    await cluster.restart(leader)
                await run.share()
                await run.share()
            expect_prompt(run)
            return await run.verdict()


async def broker_hung(stage: Stage) -> Verdict:
    """Row 2: a broker that leads stands still with its connections open."""
    cluster, hung_s = stage.brokers, 45.0 if stage.long else 4.0
    with cluster.mended():
        async with running_parts(stage.places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                await run.share()
                leader = (await cluster.leaders(parts.settings.log))[0]
                async with run.fault():
                    cluster.brokers[leader].hang()
                    await asyncio.sleep(hung_s)
                    cluster.brokers[leader].wake()
                await run.share()
                await run.share()
            run.facts["hung_s"] = hung_s
            expect_prompt(run)
            return await run.verdict()


async def all_down(stage: Stage) -> Verdict:
    """Row 3: no broker is there for a while; readiness says so, liveness does not."""
    cluster, down_s = stage.brokers, 600.0 if stage.long else 3.0
    with cluster.mended():
        async with running_parts(stage.places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                await run.share()
                async with run.fault():
                    await asyncio.gather(*map(cluster.kill, cluster.brokers.members))
                    await _expect_red(run, parts, down_s=down_s)
                    await asyncio.gather(*map(cluster.restart, cluster.brokers.members))
                await run.share()
                await run.share()
                await until_told(lambda: _green(parts), "readiness is green")
            run.facts["down_s"] = down_s
            expect_prompt(run)
            return await run.verdict()


async def leader_bounced(stage: Stage) -> Verdict:
    """Row 4: whoever leads a partition is killed and started again, five times."""
    cluster, bounces = stage.brokers, 5 if stage.long else 2
    with cluster.mended():
        async with running_parts(stage.places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                bounced = []
                for number in range(bounces):
                    await run.share(of=bounces + 1)
                    partition = number % parts.settings.log.partitions
                    leader = (await cluster.leaders(parts.settings.log))[partition]
                    async with run.fault():
                        await cluster.kill(leader)
                        await cluster.restart(leader)
                    bounced.append(leader)
                await run.share(of=bounces + 1)
            run.facts["bounced"] = bounced
            return await run.verdict()


async def _expect_red(run: Trial, parts: Parts, *, down_s: float) -> None:
    """Watch a service without a log for a while."""
    refused = run.traffic.statuses[_UNAVAILABLE]
    await until(
        lambda: run.traffic.statuses[_UNAVAILABLE] > refused,
        "reports are refused",
        within_s=_NOTICED_S,
    )
    await until_told(lambda: _red(parts), "readiness is red", within_s=_NOTICED_S)
    accepted = run.traffic.accepted
    await asyncio.sleep(down_s)
    run.expect(that=run.traffic.accepted == accepted, what="reports were accepted without a log")
    async with httpx.AsyncClient(base_url=parts.api) as client:
        alive = await client.get("/livez")
    run.expect(that=alive.status_code == _OK, what=f"liveness was {alive.status_code}")
    run.expect(that=parts.etl.runs and parts.http.runs, what="a service has ended")


async def _red(parts: Parts) -> bool:
    async with httpx.AsyncClient(base_url=parts.api, timeout=15) as client:
        return (await client.get("/readyz")).status_code == _UNAVAILABLE


async def _green(parts: Parts) -> bool:
    async with httpx.AsyncClient(base_url=parts.api, timeout=15) as client:
        return (await client.get("/readyz")).status_code == _OK


def expect_prompt(run: Trial) -> None:
    """No player waits long for a refusal, and each is told when to try again."""
    slowest_s = run.traffic.slowest_refusal_s
    run.facts |= {
        "answers_503": run.traffic.statuses[_UNAVAILABLE],
        "slowest_503_s": round(slowest_s, 2),
        "no_answer": run.traffic.statuses[0],
    }
    run.expect(that=slowest_s <= _WORST_S, what=f"a refusal took {slowest_s:.1f} s")
    run.expect(that=not run.traffic.unadvised, what="a refusal did not say when to try again")
