"""The documentation: closed without a password, complete, and without a foreign byte."""

import re

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ugc_api.documentation import examples
from ugc_api.problems.kinds import KINDS
from ugc_core.api_settings import ApiSection
from ugc_core.events import Report

PAGES = (
    "/api/docs",
    "/api/redoc",
    "/api/openapi.json",
    "/api/asyncapi.json",
    "/api/docs/assets/docs.js",
)
AUTH = ("docs", "open sesame")
SCHEMA = "#/components/schemas/"
FOR_PEOPLE = {
    "/api/docs",
    "/api/docs/assets/{name}",
    "/api/redoc",
    "/api/openapi.json",
    "/api/asyncapi.json",
    "/problems/",
    "/problems/{slug}",
}


@pytest.fixture
def document(api):
    return api.framework.openapi()


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_opens_with_user_and_password(api, page):
    answer = await api.client.get(page, auth=AUTH)

    assert answer.status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "auth", [None, ("docs", "wrong"), ("wrong", "open sesame"), ("", ""), ("docs", "")]
)
async def test_a_page_stays_closed_otherwise(api, page, auth):
    answer = await api.client.get(page, auth=auth)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.json()["type"] == "/problems/docs-credentials"


@pytest.mark.parametrize(
    "given", ["Basic", "Basic !!!", "Basic 4pyT", "Bearer x", "Basic ZG9jcw=="]
)
async def test_a_malformed_authorization_header_is_401(api, given):
    answer = await api.client.get("/api/docs", headers={"Authorization": given})

    assert answer.status_code == 401


@pytest.mark.parametrize("auth", [None, ("docs", ""), ("docs", "x")])
async def test_without_a_password_set_the_pages_are_closed_and_say_how_to_open_them(make_api, auth):
    api = make_api(settings=ApiSection())

    answer = await api.client.get("/api/docs", auth=auth)

    assert answer.status_code == 401
    assert "UGC_API__DOCS_PASSWORD_FILE" in answer.json()["detail"]


async def test_a_password_may_hold_any_character(make_api):
    api = make_api(settings=ApiSection(docs_user="dócs", docs_password="pä:ss"))

    answer = await api.client.get("/api/docs", auth=("dócs", "pä:ss"))

    assert answer.status_code == 200


@pytest.mark.parametrize("page", ["/api/docs", "/api/redoc"])
async def test_a_page_asks_nobody_else_and_every_asset_is_there(api, page):
    answer = await api.client.get(page, auth=AUTH)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in answer.text
    assert "<script>" not in answer.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert assets
    for asset in assets:
        found = await api.client.get(f"/api/{asset}", auth=AUTH)
        assert found.status_code == 200
        assert len(found.content) > 100


async def test_an_unknown_asset_is_404(api):
    for name in ("nothing.js", "..%2Fdocs.html", "docs.html"):
        answer = await api.client.get(f"/api/docs/assets/{name}", auth=AUTH)
        assert answer.status_code == 404


def test_the_document_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_but_the_pages_for_people_is_in_the_document_and_none_besides(api, document):
    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item
    }
    routes = {
        (route.path, method)
        for route in api.framework.routes
        for method in route.methods
        if route.path not in FOR_PEOPLE and method != "HEAD"
    }

    assert described == routes


def test_every_reference_leads_somewhere_and_every_schema_is_used(document):
    used = set(re.findall(rf"'{SCHEMA}(\w+)'", str(document)))

    assert used == set(document["components"]["schemas"])


def test_every_error_answer_is_a_problem(document):
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and operation["tags"] != ["operations"]:
                    content = answer["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": f"{SCHEMA}Problem"}
                    assert set(content["examples"]) <= set(KINDS)


def test_what_any_request_may_be_refused_for_is_documented_everywhere(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            if operation["tags"] == ["operations"]:
                continue
            shown = {
                slug
                for answer in operation["responses"].values()
                for content in answer.get("content", {}).values()
                for slug in content.get("examples", {})
            }
            asks_for_a_token = operation["security"] != []
            assert {"unknown-host", "overloaded"} <= shown, path
            assert ("keys-unavailable" in shown) == asks_for_a_token, path


def test_every_kind_of_problem_is_documented_somewhere(document):
    shown = {
        slug
        for item in document["paths"].values()
        for operation in item.values()
        for answer in operation["responses"].values()
        for slug in answer.get("content", {})
        .get("application/problem+json", {})
        .get("examples", {})
    }

    assert set(KINDS) - shown == {"docs-credentials", "method-not-allowed"}


def test_the_api_asks_for_a_bearer_token(document):
    operations = [
        operation
        for item in document["paths"].values()
        for operation in item.values()
        if operation["tags"] != ["operations"]
    ]

    open_to_all = [one for one in operations if one["security"] != [{"bearer": []}]]

    assert len(operations) > len(open_to_all)
    assert [one["operationId"] for one in open_to_all] == ["sendBeacon"]  # it is in the body
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_field_of_a_report_is_described(document):
    properties = document["components"]["schemas"]["Report"]["properties"]

    assert set(properties) == set(Report.__struct_fields__)
    assert all(field["description"] for field in properties.values())


def test_every_schema_and_field_is_described(document):
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, found in schema["properties"].items():
            assert found.get("description") or field == "status", (name, field)


def test_examples_fit_their_schemas(document):
    for item in document["paths"].values():
        for operation in item.values():
            answers = [*operation["responses"].values(), operation.get("requestBody", {})]
            for kind, content in [pair for a in answers for pair in a.get("content", {}).items()]:
                if "json" not in kind or "ndjson" in kind:
                    continue
                shown = [found["value"] for found in content.get("examples", {}).values()]
                shown += [content[name] for name in ("example",) if name in content]
                for value in shown:
                    schema = {**content["schema"], "components": document["components"]}
                    jsonschema.validate(value, schema)


async def test_the_examples_are_taken(api):
    for shown in examples.REPORTS.values():
        assert (await api.report(shown["value"])).status_code == 202
    batch = await api.report(examples.BATCH, path=api.many)
    assert (batch.json()["accepted"], batch.json()["refused"]) == (1, 1)
    headers = {"Content-Type": "application/x-ndjson"} | api.bearer()
    lines = await api.client.post(api.many, content=examples.LINES, headers=headers)
    assert lines.json()["accepted"] == 2
    tokens, beacons = "/api/v1/beacon-tokens", "/api/v1/beacons"
    token = await api.report(examples.BEACON_TOKEN_REQUEST, path=tokens)
    sent = examples.BEACON | {"token": token.json()["token"]}
    assert (await api.client.post(beacons, json=sent)).status_code == 204


async def test_answers_fit_the_document(api, document):
    api.warehouse.rows = [(api.film, 1, 2, 3)]
    answers = {
        "BeaconToken": await api.report(
            examples.BEACON_TOKEN_REQUEST, path="/api/v1/beacon-tokens"
        ),
        "Accepted": await api.report({"progress": 1, "total": 2}),
        "BatchAnswer": await api.report(examples.BATCH * 2, path=api.many),
        "ResumePoint": await api.get(api.one),
        "ContinueWatching": await api.get(api.many),
        "Problem": await api.report({"progress": 1}),
        "Readiness": await api.client.get("/readyz?verbose"),
    }

    for name, answer in answers.items():
        schema = {"$ref": f"{SCHEMA}{name}", "components": document["components"]}
        jsonschema.validate(answer.json(), schema)
