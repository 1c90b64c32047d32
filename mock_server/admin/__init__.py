"""The emulator's own admin API, built like a provider: handlers by operation, and its wire format (problem+json)."""

from __future__ import annotations

from swapmock.mock_server.admin import (
    clock,
    faults,
    journal,
    ledger,
    metadata,
    sandboxes,
    scenario_queue,
    tasks,
    waiting,
    why,
    wire,
)
from swapmock.mock_server.core.provider import Provider

HANDLERS = {
    "index": metadata.index,
    "get_openapi": metadata.get_openapi,
    "get_openapi_yaml": metadata.get_openapi_yaml,
    "list_contracts": metadata.list_contracts,
    "get_contract": metadata.get_contract,
    "list_sandboxes": sandboxes.list_sandboxes,
    "create_sandbox": sandboxes.create_sandbox,
    "get_sandbox": sandboxes.get_sandbox,
    "change_sandbox": sandboxes.change_sandbox,
    "delete_sandbox": sandboxes.delete_sandbox,
    "reset_sandbox": sandboxes.reset_sandbox,
    "reset_default": sandboxes.reset_sandbox,
    "get_snapshot": sandboxes.take_snapshot,
    "take_snapshot": sandboxes.take_snapshot,
    "restore_snapshot": sandboxes.restore_snapshot,
    "fork_sandbox": sandboxes.fork_sandbox,
    "get_clock": clock.get_clock,
    "change_clock": clock.change_clock,
    "set_clock": clock.change_clock,
    "advance_clock": clock.advance_clock,
    "get_ledger": ledger.get_ledger,
    "grant_credits": ledger.grant_credits,
    "refund_task": ledger.refund_task,
    "list_faults": faults.list_faults,
    "add_fault": faults.add_fault,
    "clear_faults": faults.clear_faults,
    "get_fault": faults.get_fault,
    "delete_fault": faults.delete_fault,
    "list_queue": scenario_queue.list_queue,
    "queue_scenario": scenario_queue.queue_scenario,
    "clear_queue": scenario_queue.clear_queue,
    "list_tasks": tasks.list_tasks,
    "get_task": tasks.get_task,
    "get_journal": journal.get_journal,
    "clear_journal": journal.clear_journal,
    "get_requests": journal.get_requests,
    "get_default_requests": journal.get_requests,
    "explain": why.explain,
    "get_har": journal.get_har,
    "wait": waiting.wait,
    "list_deliveries": tasks.list_deliveries,
    "get_delivery": tasks.get_delivery,
    "redeliver": tasks.redeliver,
    "get_metrics": metadata.get_metrics,
    "list_evidence": metadata.list_evidence,
    "list_magic": metadata.list_table,
    "list_variants": metadata.list_table,
    "list_scenarios": metadata.list_table,
    "list_codes": metadata.list_table,
}


def provider(token: str = "") -> Provider:
    """The admin API as a provider. With a `token`, each request must show that token as a bearer token."""
    return Provider(
        name=wire.NAME,
        handlers=HANDLERS,
        authenticate=wire.bearer_authentication(token),
        authorize=wire.authorize,
        render=wire.render,
        render_problem=wire.render_problem,
        explain_violations=wire.explain_violations,
    )
