"""The demo: a ledger and an agent at work on real input, killed half way, and proved right to the unit.

It starts a ledger, an agent, a multi-tenant web shop and an exporter of this machine's processes, all as processes of
their own, lets customers use the shop, kills the agent and the ledger with SIGKILL while they do, rotates the
shop's log, and then compares what the ledger says with what the shop counted itself.

With ``DEMO_ONCE=1`` it ends by itself, with exit code 0 only if every number agrees and the book verifies. Otherwise
everything keeps running until Ctrl-C, so that there is something to play with. All it writes is under ``.demo/``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from string import Template

import httpx

from examples.demo import comparison
from examples.demo.load import CUSTOMERS, Load
from examples.demo.processes import DemoFailed, Program, free_ports, meterbook, run

HERE = Path(__file__).parent
DIRECTORY = Path(".demo").resolve()
AGREE_S_MAX = 60.0


class Demo:
    """The processes, and what is done with them."""

    def __init__(self) -> None:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        DIRECTORY.mkdir()
        names = ("LEDGER_PORT", "LEDGER_HTTP_PORT", "AGENT_HTTP_PORT", "SHOP_PORT", "MACHINE_PORT")
        ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
        for name in ("ledger.yaml", "agent.yaml"):
            text = Template((HERE / name).read_text()).substitute(ports, DIRECTORY=DIRECTORY)
            (DIRECTORY / name).write_text(text)
        self.at = ["--ledger", f"127.0.0.1:{ports['LEDGER_PORT']}"]
        self.shop_url = f"http://127.0.0.1:{ports['SHOP_PORT']}"
        self.usage_log = DIRECTORY / "usage.log"

        def program(name: str, command: list[str], page: str) -> Program:
            return Program(name, command, DIRECTORY / f"{name}.log", f"http://127.0.0.1:{page}")

        def example(module: str, *arguments: str) -> list[str]:
            return [sys.executable, "-m", f"examples.demo.{module}", *arguments]

        config = str(DIRECTORY / "ledger.yaml")
        self.ledger = program(
            "ledger", meterbook("ledger", "serve", "--config", config), ports["LEDGER_HTTP_PORT"] + "/readyz"
        )
        config = str(DIRECTORY / "agent.yaml")
        self.agent = program(
            "agent", meterbook("agent", "run", "--config", config), ports["AGENT_HTTP_PORT"] + "/healthz"
        )
        self.shop = program(
            "shop", example("shop", ports["SHOP_PORT"], str(self.usage_log)), ports["SHOP_PORT"] + "/truth"
        )
        self.machine = program("machine", example("machine", ports["MACHINE_PORT"]), ports["MACHINE_PORT"] + "/metrics")

    def run(self) -> None:
        """Everything, in order. Raises DemoFailed."""
        say("Starting a ledger, and applying meters, prices, plans and customers")
        self.ledger.start()
        self.show("apply", "-f", str(HERE / "definitions"))
        say("Starting an agent, then the shop and the exporter that it will read")
        self.agent.start()
        self.machine.start()
        self.shop.start()

        load = Load(self.shop_url)
        say(f"Customers begin to use the shop: {', '.join(CUSTOMERS)}")
        load.start()
        time.sleep(6)
        say("SIGKILL to the agent; the shop's log is rotated while nobody reads it")
        self.agent.kill()
        time.sleep(2)
        self.usage_log.rename(self.usage_log.with_suffix(".log.1"))
        time.sleep(2)
        self.agent.start()
        time.sleep(3)
        say("SIGKILL to the ledger; the agent keeps what it reads")
        self.ledger.kill()
        time.sleep(4)
        self.ledger.start()
        time.sleep(3)
        load.stop()
        say("The customers are done; the shop shows what it counted itself")
        truth = httpx.get(f"{self.shop_url}/truth", trust_env=False).json()

        position = self.agree(truth)
        # All of one position, so that the figures of one table are those of the next.
        for question in (("usage",), ("cost",), ("margin",), ("coverage",), ("agents",)):
            self.show(*question, "--as-of", position)
        for tenant in CUSTOMERS:
            self.show("invoice", "draft", tenant, "--as-of", position)
        self.prove(truth, position)

    def agree(self, truth: dict[str, dict[str, int]]) -> str:
        """Wait until the ledger has everything, and compare; gives the position. Raises DemoFailed."""
        ours = comparison.counted(truth)
        deadline = time.monotonic() + AGREE_S_MAX
        while True:
            usage = json.loads(self.ask("usage", "--json"))
            theirs = comparison.metered(usage)
            if theirs == ours:
                break
            if time.monotonic() > deadline:
                raise DemoFailed("the ledger and the shop disagree:\n" + comparison.table(ours, theirs))
            time.sleep(0.3)
        say("The ledger agrees with the shop, to the unit")
        print(comparison.table(ours, theirs), flush=True)
        return str(usage["as_of"])

    def prove(self, truth: dict[str, dict[str, int]], position: str) -> None:
        """Book the open hour, ask for the past again, and verify. Raises DemoFailed."""
        say("The same question at the same journal position has the same answer, before and after booking")
        before = self.ask("usage", "--json", "--as-of", position)
        self.show("book")
        if self.ask("usage", "--json", "--as-of", position) != before:
            raise DemoFailed(f"the book as of position {position} answers differently now")
        self.agree(truth)
        say("Verifying the book: log, chains, tables, entries")
        self.show("verify")

    def ask(self, *arguments: str) -> str:
        """Output of a ``meterbook`` command."""
        return run(meterbook(*arguments, *self.at))

    def show(self, *arguments: str) -> None:
        """The same, on the screen."""
        print(f"\n$ meterbook {' '.join(arguments)}\n{self.ask(*arguments)}", end="", flush=True)

    def stop(self) -> None:
        """End all processes, those that read first."""
        for each in (self.agent, self.ledger, self.shop, self.machine):
            each.stop()


def say(text: str) -> None:
    """A heading."""
    print(f"\n== {text}", flush=True)


def keep_running(demo: Demo) -> None:
    """Leave everything at work until Ctrl-C."""
    load = Load(demo.shop_url)
    load.start()
    command = f".venv/bin/meterbook usage {' '.join(demo.at)}"
    say(
        f"Everything keeps running; logs and data are in {DIRECTORY.name}/. Press Ctrl-C to stop. Try, in another terminal:"
    )
    print(f"   {command} --window hour\n   {command} --tenant acme --json")
    print(
        f"   {command.replace('usage', 'coverage')} --gaps\n   curl {demo.agent.page.replace('healthz', 'metrics')}",
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        load.stop()


def main() -> int:
    """Exit code of the demo."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also where a shell started this in the background and with SIGINT ignored: nothing must be left running.
        signal.signal(number, signal.default_int_handler)
    demo = Demo()
    try:
        demo.run()
        say("Done: every number agrees and the book holds")
        if not os.environ.get("DEMO_ONCE"):
            keep_running(demo)
    except DemoFailed as error:
        print(f"\nThe demo failed: {error}\nThe logs are in {DIRECTORY}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
