//! The figures, each beside what it must be.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Args;
use super::provider::{Figures, KINDS, Providers};

/// What the last worker saw when nothing went wrong any more.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Checked {
    /// Accounts whose connection works.
    pub working: u64,
    /// Accounts that say that they must be connected again.
    pub waiting: u64,
    /// Everything else: a connection that neither works nor says so.
    pub silent: u64,
}

pub struct Report {
    args: Args,
    kills: u64,
    figures: [Figures; 3],
    checked: Checked,
}

impl Report {
    pub fn new(args: Args, kills: u64, providers: &Providers, checked: Checked) -> Self {
        Self {
            args,
            kills,
            figures: providers.figures(),
            checked,
        }
    }

    /// Whether nothing was lost, nothing presented twice where that ends a connection, and every
    /// reconnection has its reason.
    pub fn passes(&self) -> bool {
        let holds = |figures: &Figures| figures.lost == 0 && figures.unexplained == 0;
        let [stable, _, family] = &self.figures;
        self.figures.iter().all(holds)
            && stable.doubled == 0
            && family.doubled == 0
            && stable.reconnects == 0
            && self.checked.silent == 0
    }

    fn json(&self) -> Value {
        let provider = |(name, figures): (&&str, &Figures)| {
            json!({
                "provider": name,
                "runs": figures.runs,
                "refreshes": figures.refreshes,
                "granted": figures.granted,
                "unknown_outcomes": figures.unknown,
                "presented_again": figures.again,
                "lost": figures.lost,
                "doubled": figures.doubled,
                "reconnect_needed": figures.reconnects,
                "reconnect_without_reason": figures.unexplained,
                "expected": {
                    "lost": 0,
                    // A request that is held up on its way for longer than the leeway comes too late.
                    "doubled": if *name == "leeway" { json!("0, but for requests that arrive later than the leeway") } else { json!(0) },
                    "reconnect_needed": if *name == "stable" { json!(0) } else { json!("only after an unknown outcome or a kill") },
                    "reconnect_without_reason": 0,
                },
            })
        };
        let providers: Vec<Value> = KINDS.iter().zip(&self.figures).map(provider).collect();
        json!({
            "runs": self.figures.iter().map(|figures| figures.runs).sum::<u64>(),
            "seed": self.args.seed,
            "kills": self.kills,
            "providers": providers,
            "at_the_end": {
                "working": self.checked.working,
                "waiting_to_be_connected": self.checked.waiting,
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
        println!("{} kills, seed {}", self.kills, self.args.seed);
        println!("provider  runs  refreshes  unknown  again  lost  doubled  reconnect  no reason");
        for (name, figures) in KINDS.iter().zip(&self.figures) {
            println!(
                "{name:8} {:5} {:10} {:8} {:6} {:5} {:8} {:10} {:10}",
                figures.runs,
                figures.refreshes,
                figures.unknown,
                figures.again,
                figures.lost,
                figures.doubled,
                figures.reconnects,
                figures.unexplained
            );
        }
        println!(
            "expected                                 0  0 but at \"leeway\"  0 at \"stable\"  0"
        );
        println!(
            "at the end {} work, {} wait to be connected, {} are broken silently",
            self.checked.working, self.checked.waiting, self.checked.silent
        );
    }
}
