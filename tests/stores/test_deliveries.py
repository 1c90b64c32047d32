"""A delivery is claimed by one sender at a time, in the order of the due times."""

from dataclasses import replace

from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.stores import deliveries as module
from swapmock.mock_server.stores.deliveries import Deliveries
from tests.stores.test_store import delivery


def claim(deliveries: Deliveries, now: float, real: float = 0.0, until: float = 10.0, most: int = 99) -> list[str]:
    left = [most]

    def take(_host: str) -> bool:
        left[0] -= 1
        return left[0] >= 0

    claimed = deliveries.claim_due(now, real, take, lambda each: deliveries.lease(each, until))
    return [each.id for each in claimed]


def test_one_that_was_changed_while_it_waited_is_claimed_once():
    first: Delivery = delivery(1, 3.0)
    deliveries = Deliveries([first])
    deliveries.put(replace(first))
    assert claim(deliveries, 3.0) == [first.id]
    assert claim(deliveries, 3.0) == []
    assert deliveries.next_due() is None


def test_they_come_in_the_order_of_their_times_as_far_as_the_host_takes_them():
    deliveries = Deliveries([delivery(1, 3.0), delivery(2, 1.0), delivery(3, 2.0)])
    ids = {number: delivery(number, 0.0).id for number in (1, 2, 3)}
    assert claim(deliveries, 2.5, most=1) == [ids[2]]
    assert claim(deliveries, 2.5) == [ids[3]]
    assert deliveries.next_due() == 3.0


def test_an_expired_lease_makes_a_delivery_due_again():
    one = delivery(1, 1.0)
    deliveries = Deliveries([one])
    assert claim(deliveries, 1.0, until=5.0) == [one.id]
    assert not deliveries.may_claim(one.id, 4.9)
    assert deliveries.may_claim(one.id, 5.0)
    assert claim(deliveries, 1.0, real=5.0) == [one.id]


def test_the_oldest_finished_one_makes_place(monkeypatch):
    monkeypatch.setattr(module, "DELIVERIES_KEPT", 2)
    deliveries = Deliveries([delivery(9, 1.0)])
    for number in (1, 2, 3):
        deliveries.put(replace(delivery(number, 1.0), next_due=None))
    assert [each.number for each in deliveries.all()] == [9, 2, 3]
