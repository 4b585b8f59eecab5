"""One report: what is answered, and what is in the log by then."""

from uuid import UUID

import pytest

from ugc_core.codec import log_key


async def test_an_accepted_report_is_in_the_log_when_the_answer_is_there(api):
    answer = await api.report({"progress": 120, "total": 5400})

    (event,) = api.kept()
    assert answer.status_code == 202
    assert answer.json() == {
        "event_id": str(event.event_id),
        "receipt": {"partition": 3, "offset": 0, "line": 0},
    }
    assert (event.film_id, event.progress, event.total) == (api.film, 120, 5400)
    assert event.received_at == event.viewed_at == api.clock.wall_ms()


async def test_the_record_has_the_users_key_and_the_schema_version(api):
    await api.report({"progress": 120, "total": 5400})

    ((record,),) = api.log.records.values()
    assert record.key == log_key(api.user) == str(api.user).encode()
    assert dict(record.headers) == {"schema_version": b"1", "lines": b"1"}


async def test_the_clients_own_event_id_is_kept(api, make_report):
    report = make_report()

    answer = await api.report(report)

    assert answer.json()["event_id"] == report["event_id"]
    assert api.kept()[0].event_id == UUID(str(report["event_id"]))


async def test_the_user_is_the_tokens_whatever_the_body_leaves_out(api):
    other = UUID(int=77)

    await api.report({"progress": 1, "total": 2}, sub=str(other))

    assert api.kept()[0].user_id == other


async def test_the_tokens_profile_is_the_events_profile(api):
    profile = UUID(int=8)

    await api.report({"progress": 1, "total": 2}, profile_id=str(profile))

    assert api.kept()[0].profile_id == profile


async def test_unknown_fields_of_newer_clients_are_ignored(api):
    answer = await api.report({"progress": 1, "total": 2, "hdr": True})

    assert answer.status_code == 202


async def test_a_report_without_a_content_type_is_read_as_json(api):
    answer = await api.client.post(
        api.one, content=b'{"progress": 1, "total": 2}', headers=api.bearer()
    )

    assert answer.status_code == 202


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_parameters_and_case_of_the_content_type_do_not_matter(api, kind):
    headers = {"Content-Type": kind} | api.bearer()

    answer = await api.client.post(api.one, content=b'{"progress": 1, "total": 2}', headers=headers)

    assert answer.status_code == 202


async def test_answers_about_a_person_are_not_stored_on_the_way(api):
    answer = await api.report({"progress": 1, "total": 2})

    assert answer.headers["cache-control"] == "no-store"
