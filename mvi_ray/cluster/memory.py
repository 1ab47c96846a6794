"""Memory classes: how much memory a task reserves, from what the nodes offer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster.

    Args:
        cpus: whole cores.
        memory_bytes: what Ray hands out to tasks there; 0 when it does not say.
    """

    cpus: int
    memory_bytes: int

    @classmethod
    def alive(cls, listed: Iterable[Mapping[str, Any]]) -> tuple[Self, ...]:
        """Living nodes with a core, of what ``ray.nodes()`` lists."""
        offers = [node["Resources"] for node in listed if node["Alive"]]
        nodes = (cls(int(offer.get("CPU", 0)), int(offer.get("memory", 0))) for offer in offers)
        return tuple(node for node in nodes if node.cpus)


@dataclass(frozen=True)
class MemoryClasses:
    """At most four sizes, since Ray keeps one queue for each.

    The share is what each core has when all are busy, on the node where that is least: tasks up
    to that size never keep a core idle. The sizes are half a share (also for what is not known),
    a share, the whole of the largest node, and one in between. What needs more than the largest
    node gets all of it, once.

    Args:
        nodes: of the cluster.
    """

    nodes: tuple[Node, ...]

    @cached_property
    def share(self) -> int:
        """Bytes for each core; 0 when the cluster does not say."""
        return min((node.memory_bytes // node.cpus for node in self.nodes), default=0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each class, ascending; empty when the cluster does not say."""
        if not self.share:
            return ()
        top = max(node.memory_bytes for node in self.nodes)
        return tuple(sorted({max(1, self.share // 2), self.share, isqrt(self.share * top), top}))

    def size(self, needed: int) -> int:
        """Bytes to reserve for so many: of the smallest class that holds them, or of the largest."""
        return next((size for size in self.sizes if size >= needed), self.largest)

    @property
    def largest(self) -> int:
        """Bytes of the largest class; 0 when the cluster does not say."""
        return self.sizes[-1] if self.sizes else 0

    def at_once(self, size: int) -> int:
        """How many tasks of a size the nodes hold at once."""
        return sum(min(node.cpus, node.memory_bytes // max(size, 1)) for node in self.nodes)

    def admits(self, size: int, flying: Mapping[int, int], *, waiting: bool) -> bool:
        """Whether one more task may be sent to Ray.

        Tasks of a share or less are sent ahead, twice as many as can run. Larger ones are sent
        when there is room beside the other large ones, and while one of them waits for its place
        no small one is sent ahead: Ray would give each freed byte to the next small one.

        Args:
            size: bytes that it reserves.
            flying: bytes that a task reserves, to the number of those that have not ended.
            waiting: whether a large one of them has not begun.
        """
        if not self.nodes:
            # An autoscaler adds the first node for a task that waits for it.
            return not any(flying.values())
        large = {one: count for one, count in flying.items() if one > self.share}
        cpus = sum(node.cpus for node in self.nodes) - sum(large.values())
        memory = sum(node.memory_bytes for node in self.nodes) - _total(large)
        if size > self.share:
            fits = size <= memory and cpus > 0 and large.get(size, 0) < self.at_once(size)
            return not waiting and (not large or fits)
        small = {one: count for one, count in flying.items() if one <= self.share}
        ahead = 1 if waiting else 2
        return sum(small.values()) < ahead * cpus and _total(small) + size <= ahead * memory


def _total(sizes: Mapping[int, int]) -> int:
    return sum(size * count for size, count in sizes.items())
