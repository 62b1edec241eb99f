//! The figures, each beside what it must be.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Args;
use super::provider::{Figures, KINDS, Providers};
use super::worker::WORKERS;

/// What the last worker saw when nothing went wrong any more.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Checked {
    /// Accounts whose connection works.
    pub working: u64,
    /// Accounts of each provider that say that they must be connected again.
    pub waiting: [u64; 3],
    /// Everything else: a connection that neither works nor says so.
    pub silent: u64,
}

pub struct Report {
    args: Args,
    /// Processes that worked at a time.
    processes: usize,
    kills: u64,
    figures: [Figures; 3],
    checked: Checked,
}

/// What came of one provider, and what must have.
struct Judged<'a> {
    name: &'static str,
    figures: &'a Figures,
    /// Accounts that had to be connected again, those that wait for it at the end included.
    reconnects: u64,
    /// As few of them, and as many, as what went wrong brings with it.
    expected: (u64, u64),
}

impl Judged<'_> {
    /// Whether nothing was lost, nothing presented twice that must not be, and exactly what went wrong
    /// made people connect accounts again.
    fn holds(&self) -> bool {
        let (least, most) = self.expected;
        self.figures.lost == 0
            && self.figures.doubled == 0
            && self.figures.unexplained == 0
            && (least..=most).contains(&self.reconnects)
    }
}

impl Report {
    pub fn new(
        args: Args,
        processes: usize,
        kills: u64,
        providers: &Providers,
        checked: Checked,
    ) -> Self {
        Self {
            args,
            processes,
            kills,
            figures: providers.figures(),
            checked,
        }
    }

    fn judged(&self) -> impl Iterator<Item = Judged<'_>> {
        let each = KINDS.iter().zip(&self.figures).zip(&self.checked.waiting);
        each.map(move |((&name, figures), waiting)| Judged {
            name,
            figures,
            reconnects: figures.reconnects + waiting,
            expected: expected(name, figures, self.kills),
        })
    }

    /// Whether every provider's figures are as they must be, and every connection works or says that it
    /// does not.
    pub fn passes(&self) -> bool {
        self.judged().all(|judged| judged.holds()) && self.checked.silent == 0
    }

    fn json(&self) -> Value {
        let provider = |judged: Judged<'_>| {
            let figures = judged.figures;
            let (least, most) = judged.expected;
            json!({
                "provider": judged.name,
                "runs": figures.runs,
                "refreshes": figures.refreshes,
                "granted": figures.granted,
                "unknown_outcomes": figures.unknown,
                "presented_again": figures.again,
                "lost": figures.lost,
                "doubled": figures.doubled,
                "arrived_late": figures.late,
                "answers_unread": figures.unread,
                "taken_over": figures.taken_over,
                "reconnect_needed": judged.reconnects,
                "reconnect_without_reason": figures.unexplained,
                "expected": {
                    "lost": 0,
                    "doubled": 0,
                    "reconnect_needed": {"least": least, "most": most},
                    "reconnect_without_reason": 0,
                },
                "holds": judged.holds(),
            })
        };
        let providers: Vec<Value> = self.judged().map(provider).collect();
        json!({
            "runs": self.figures.iter().map(|figures| figures.runs).sum::<u64>(),
            "seed": self.args.seed,
            "processes": self.processes,
            "kills": self.kills,
            "providers": providers,
            "at_the_end": {
                "working": self.checked.working,
                "waiting_to_be_connected": self.waiting(),
                "silently_broken": self.checked.silent,
            },
            "passes": self.passes(),
        })
    }

    pub fn print(&self, as_json: bool) {
        if as_json {
            println!("{:#}", self.json());
            return;
        }
        println!(
            "{} processes at a time, {} kills, seed {}",
            self.processes, self.kills, self.args.seed
        );
        println!(
            "provider  runs  refreshes  unknown  again  late  lost  doubled  reconnect  expected  no reason"
        );
        for judged in self.judged() {
            let figures = judged.figures;
            let (least, most) = judged.expected;
            let expected = format!("{least}..{most}");
            println!(
                "{:8} {:5} {:10} {:8} {:6} {:5} {:5} {:8} {:10} {:>9} {:10}",
                judged.name,
                figures.runs,
                figures.refreshes,
                figures.unknown,
                figures.again,
                figures.late,
                figures.lost,
                figures.doubled,
                judged.reconnects,
                expected,
                figures.unexplained
            );
        }
        println!("expected: lost 0, doubled 0, no reason 0");
        println!(
            "at the end {} work, {} wait to be connected, {} are broken silently",
            self.checked.working,
            self.waiting(),
            self.checked.silent
        );
    }

    fn waiting(&self) -> u64 {
        self.checked.waiting.iter().sum()
    }
}

/// How many reconnections what went wrong brings with it, at least and at most. A token that may be
/// presented again at will is never a reason. Where a family of tokens is revoked for one that comes
/// twice, each lost request and answer is the end of a connection; with leeway it may be. A killed
/// process had one account in the hands of each of its workers, at most.
fn expected(name: &str, figures: &Figures, kills: u64) -> (u64, u64) {
    let besides = kills * WORKERS + figures.unread;
    match name {
        "stable" => (0, 0),
        "family" => (figures.ended, figures.ended + besides),
        _ => (0, figures.unknown + besides),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_judged_by_what_went_wrong() {
        let good = Figures {
            reconnects: 5,
            ended: 5,
            unknown: 7,
            ..Figures::default()
        };
        let with = |change: fn(&mut Figures)| {
            let mut figures = good;
            change(&mut figures);
            figures
        };
        for (name, figures, waiting, holds) in [
            ("family", good, 0, true),
            ("family", with(|of| of.reconnects = 4), 0, false),
            ("family", with(|of| of.reconnects = 4), 1, true),
            // One kill: four workers.
            ("family", good, 4, true),
            ("family", good, 5, false),
            ("family", with(|of| of.lost = 1), 0, false),
            ("family", with(|of| of.unexplained = 1), 0, false),
            ("leeway", good, 6, true),
            ("leeway", good, 7, false),
            ("leeway", with(|of| of.late = 3), 0, true),
            ("leeway", with(|of| of.doubled = 1), 0, false),
            ("stable", good, 0, false),
            ("stable", with(|of| of.reconnects = 0), 0, true),
        ] {
            let judged = Judged {
                name,
                figures: &figures,
                reconnects: figures.reconnects + waiting,
                expected: expected(name, &figures, 1),
            };
            assert_eq!(judged.holds(), holds, "{name} {figures:?} and {waiting}");
        }
    }
}
