"""Libraries whose objects stand for something elsewhere: the name of a method says what is done to it."""

# ruff: noqa: E501  (tables read better a kind a line)

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from hitl_opa.facts.data import load
from hitl_opa.facts.names import class_of, parts, remote_act

if TYPE_CHECKING:
    from hitl_opa.facts.code.python_reader import Reader

_SDKS = {
    (
        "remote",
        "cloud",
    ): "boto3 botocore aioboto3 googleapiclient google azure oci digitalocean hcloud linode_api4 ovh openstack libcloud",
    ("remote", "cluster"): "kubernetes docker pulumi nomad consul hvac",
    ("remote", "repository"): "github gitlab",
    (
        "remote",
        "service",
    ): "stripe twilio slack_sdk slack telegram telebot discord tweepy sendgrid mailchimp shopify plaid binance ccxt web3 jira atlassian notion_client simple_salesforce hubspot zenpy pagerduty datadog_api_client cloudflare CloudFlare netmiko napalm ldap3 praw facebook instagrapi paypalrestsdk square coinbase alpaca_trade_api",
    (
        "database",
        "",
    ): "pymongo motor redis elasticsearch opensearchpy cassandra neo4j influxdb influxdb_client couchdb etcd3 kafka confluent_kafka pika kazoo pinecone qdrant_client weaviate chromadb",
}
SDKS: dict[str, tuple[str, str]] = {name: target for target, names in _SDKS.items() for name in names.split()}


def act(reader: Reader, called: ast.expr, method: str) -> None:
    """``boto3.client("s3").delete_bucket(…)``, also on a variable that holds such an object."""
    target = _made_by(reader, called)
    kind = class_of(list(parts(method)), load().names.verbs)[0] if target else ""
    if target is None or not kind or method[:1].isupper():
        return
    found = remote_act(kind, target[1])
    type_, place = target if found.type == "remote" else (found.type, found.place)
    asks = found.verb in ("query", "read")
    reader.shell.ledger.effect(
        found.verb if type_ != "database" else "query" if asks else "delete" if kind == "delete" else "write",
        type_,
        method,
        place=place,
        via=reader.via,
        traits=tuple(sorted({*found.traits, *reader.frame.traits})),
        certain=reader.frame.certain,
    )


def dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    return ""


def root(node: ast.expr) -> str:
    """The variable that a chain of calls and attributes begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return ""
    return node.id


def _made_by(reader: Reader, called: ast.expr) -> tuple[str, str] | None:
    name = root(called)
    if not name:
        return None
    for _ in range(4):
        found = reader.classes.get(name) or reader.names.get(name, "")
        name = found.split(".")[0]
        if not found or name in SDKS:
            break
    return SDKS.get(name)
