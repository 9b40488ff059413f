# SPDX-License-Identifier: MIT
"""Schedules: drawing one, writing it as a line, making it smaller."""
import os

# Around the marks: 65,536 is not full and 65,537 is; one send is of 131,072 at most.
SIZES = [0, 1, 100, 25536, 40000, 65535, 65536, 65537, 131071, 131072, 131073, 200000]
WINDOWS = [0, 1, 100, 40000, 65535, 65536, 65537, 131071, 131072, 200000, "all"]


class Schedule:
    """`answers` has for each kind of event the answers, lists of acts, that are given in turn."""

    def __init__(self, subject, option, answers, calls):
        self.subject, self.option = subject, option
        self.answers, self.calls = answers, calls

    def __str__(self):
        words = [self.subject + (":" + self.option if self.option else "")]
        for kind, answers in self.answers.items():
            if any(answers):
                words.append(kind + "=" + ";".join(",".join(acts) for acts in answers))
        return " ".join(words + self.calls)

    def smaller(self):
        """Schedules with one thing less, or a smaller number."""
        for i in reversed(range(len(self.calls))):
            yield Schedule(self.subject, self.option, self.answers,
                           self.calls[:i] + self.calls[i + 1:])
        for kind, answers in self.answers.items():
            for i, acts in enumerate(answers):
                for k in range(len(acts)):
                    less = answers[:i] + [acts[:k] + acts[k + 1:]] + answers[i + 1:]
                    yield Schedule(self.subject, self.option, {**self.answers, kind: less},
                                   self.calls)
        for i, act in enumerate(self.calls):
            for other in smaller_act(act):
                yield Schedule(self.subject, self.option, self.answers,
                               self.calls[:i] + [other] + self.calls[i + 1:])


def smaller_act(act):
    verb, *args = act.split(":")
    if args and args[0].isdigit():
        for n in SIZES:
            if n < int(args[0]):
                yield ":".join([verb, str(n), *args[1:]])


def parse(line):
    words = line.split()
    subject, _, option = words[0].partition(":")
    answers = {}
    for word in words[1:]:
        if "=" in word:
            kind, _, text = word.partition("=")
            answers[kind] = [[act for act in answer.split(",") if act]
                             for answer in text.split(";")]
    return Schedule(subject, option, answers, [word for word in words[1:] if "=" not in word])


def kept():
    """The lines of kept.txt, with their numbers."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "kept.txt"), encoding="utf-8") as f:
        return [(f"kept.txt:{i}", parse(line)) for i, line in enumerate(f, 1)]


def pick(rng, weighted):
    """One of {what: weight}."""
    return rng.choices(list(weighted), list(weighted.values()))[0]


def draw_answers(rng, kinds, act):
    """For each kind of event up to eight answers, most of them of no or one act."""
    return {kind: [[act() for _ in range(pick(rng, {0: 3, 1: 5, 2: 2, 3: 1}))]
                   for _ in range(rng.randint(0, 8))]
            for kind in kinds if rng.random() < 0.7}


# What the calls of a schedule on FileDescriptor are mostly about.
FD_STYLES = [
    {"write": 8, "register": 5, "unregister": 2, "turn": 6, "ready": 6, "lose": 1.5,
     "abort": 0.2, "gone": 0.2, "break": 0.2},
    {"write": 6, "register": 6, "unregister": 5, "turn": 2},  # producers that change
    {"write": 6, "register": 3, "turn": 6, "ready": 2, "lose": 0.5},  # one that works
]


def draw_fd(rng):
    lose = "halflose" if rng.random() < 0.15 else "lose"
    calls = rng.choice(FD_STYLES)
    sizes = SIZES if rng.random() < 0.5 else [1, 65537, 131073]
    # Many a producer behaves: it writes when it is resumed.
    answers = rng.choice([{"write": 3, "register": 2, "unregister": 3, "lose": 1, "abort": 0.3},
                          {"write": 1}])

    def act(verbs):
        verb = pick(rng, verbs)
        if verb == "write":
            return f"write:{rng.choice(sizes)}"
        if verb == "register":
            return f"register:{rng.choice('aab')}:{rng.choice(['push', 'pull'])}"
        if verb == "ready":
            return f"ready:{rng.choice(WINDOWS)}"
        return lose if verb == "lose" else verb

    return Schedule("fd", "half" if lose == "halflose" else "",
                    draw_answers(rng, ["pause", "resume", "stop"], lambda: act(answers)),
                    [act(calls) for _ in range(rng.randint(2, 20))])


def draw_memory(rng):
    verbs = {"write": 6, "register": 4, "unregister": 3, "lose": 1, "abort": 0.5, "clear": 1,
             "pause": 3, "resume": 3, "stop": 0.5}

    def act():
        verb = pick(rng, verbs)
        if verb == "write":
            return f"write:{rng.choice(SIZES)}"
        if verb == "register":
            return f"register:{rng.choice('abc')}:{rng.choice(['push', 'pull'])}"
        return verb

    return Schedule("memory", rng.choice(["", "lenient"]), {},
                    [act() for _ in range(rng.randint(2, 20))])


def draw_loopback(rng):
    # A push producer is paused at the mark by us and never by Twisted (row: loopback never
    # pauses), so what one act writes stays below the mark.
    sizes = [0, 1, 100, 1000, 5000]
    # Which of two directions goes on first is nobody's promise: producers are in one only.
    side = rng.choice("sc")

    def act(**more):
        verb = pick(rng, {"write": 6, "push": 2, "unregister": 3, **more})
        if verb == "write":
            return f"write:{rng.choice('sc')}:{rng.choice(sizes)}"
        return f"{verb}:{side}" + ("" if verb == "unregister" else f":{rng.choice('abc')}")

    def answer():
        # Without a pull producer, whose resume comes in Twisted from inside (row: resumes
        # do not nest).
        return act() if rng.random() < 0.2 else f"write:{rng.choice('sc')}:{rng.choice(sizes)}"

    calls = [act(pull=4) for _ in range(rng.randint(2, 15))]
    if rng.random() < 0.5:
        calls.append(f"lose:{rng.choice('sc')}")
    return Schedule("loopback", "", draw_answers(rng, ["resume"], answer), calls)


def draw_proxy(rng):
    calls = {"write": 6, "register": 4, "unregister": 2, "pause": 4, "resume": 6, "finish": 0.5,
             "stop": 0.3}
    answers = rng.choice([{"write": 1},
                          {"write": 4, "resume": 1.5, "unregister": 1, "pause": 1, "finish": 0.3,
                           "stop": 0.2}])
    sizes = SIZES if rng.random() < 0.5 else [1, 65536]

    def act(verbs):
        verb = pick(rng, verbs)
        if verb == "write":
            return f"write:{rng.choice(sizes)}"
        if verb == "register":
            return f"register:{rng.choice('ab')}:{rng.choice(['push', 'pull'])}"
        return verb

    return Schedule("proxy", f"{rng.choice(['basic', 'buffer'])}-{rng.choice(['push', 'pull'])}",
                    draw_answers(rng, ["pause", "resume", "stop", "write"], lambda: act(answers)),
                    [act(calls) for _ in range(rng.randint(2, 20))])


DRAW = {"fd": draw_fd, "memory": draw_memory, "loopback": draw_loopback, "proxy": draw_proxy}

# How many schedules of each are compared when nothing else is said.
SHARES = {"fd": 12000, "memory": 2000, "loopback": 3000, "proxy": 4000}


def draw(subject, rng):
    return DRAW[subject](rng)
