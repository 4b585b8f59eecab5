"""The composition root: what the settings name, opened in order and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from ugc_api.auth.beacon_tokens import make_beacon_tokens
from ugc_api.auth.bootstrap import open_auth
from ugc_api.intake.intake import Intake
from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.limiter import Limiter
from ugc_api.limiting.wire import Wire
from ugc_api.operating.health import Health
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.refreshing import refreshing
from ugc_api.operating.run_folder import open_counts
from ugc_api.operating.token_counts import follow_tokens
from ugc_api.reading.audiences import Audiences
from ugc_api.reading.resume import ResumePoints
from ugc_api.services import Services
from ugc_core.acceptance import Window
from ugc_core.bootstrap import open_log_admin, open_log_writer, open_warehouse
from ugc_core.clock import Clock
from ugc_core.errors import LogDamagedError
from ugc_core.observing import observing
from ugc_core.settings import Settings
from ugc_core.sources import secrets_of


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock, on_damage: Callable[[LogDamagedError], None]
) -> AsyncIterator[Services]:
    """Open the log and the warehouse; appends under way are finished on the way out.

    Args:
        settings: The whole tree.
        clock: Time.
        on_damage: Called when the log takes nothing any more: the process has to stop.

    Raises:
        ConfigError: The settings cannot work.
        LogDamagedError: The log is corrupt.
        LogUnavailableError: The log is not there, or has no such topic.
    """
    limits = settings.limits
    addresses = Addresses(limits.trusted_proxies)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        secrets = secrets_of(settings)
        tracing = await enter(
            observing(settings.telemetry, service="ugc-api", clock=clock, secrets=secrets)
        )
        counts = stack.enter_context(open_counts(settings.telemetry.workers_dir))
        metrics = ApiMetrics(counts)
        auth = await enter(open_auth(settings.auth, clock))
        follow_tokens(metrics, auth.bearer.counts)
        await enter(refreshing(metrics, clock))
        limiter = Limiter(limits, addresses=addresses, metrics=metrics, clock=clock)
        opening = open_log_writer(settings.log, settings.log.topic, clock=clock, check=True)
        writer = await enter(opening)
        admin = await enter(open_log_admin(settings.log))
        warehouse = await enter(open_warehouse(settings.warehouse))
        health = Health(
            admin=admin,
            warehouse=warehouse,
            topic=settings.log.topic,
            clock=clock,
            on_damage=on_damage,
        )
        if auth.keys is not None:
            health.look_at(auth.keys)
        intake = Intake(
            writer=writer,
            clock=clock,
            window=Window(
                max_age_days=settings.api.max_age_days,
                max_ahead_hours=settings.api.max_ahead_hours,
            ),
            limiter=limiter,
            metrics=metrics,
            health=health,
        )
        yield Services(
            settings=settings.api,
            bearer=auth.bearer,
            beacons=make_beacon_tokens(settings.auth, clock),
            limiter=limiter,
            wire=Wire(
                limits,
                body_timeout_s=settings.api.body_timeout_s,
                addresses=addresses,
                metrics=metrics,
                clock=clock,
            ),
            intake=intake,
            resume_points=ResumePoints(warehouse=warehouse),
            audiences=Audiences(
                warehouse=warehouse,
                clock=clock,
                fresh_s=settings.api.audience_fresh_s,
                timeout_s=settings.api.audience_timeout_s,
            ),
            health=health,
            metrics=metrics,
            clock=clock,
            tracing=tracing,
        )
