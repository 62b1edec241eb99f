//! Documents and texts about as scanners give them, the same in every run.

use gna_domain::id::{FindingId, GroupId, TypedId, VulnerabilityId};
use gna_domain::port::search::{Document, FindingText, Value};
use uuid::Uuid;

/// A small generator of numbers that look random (xorshift64*), the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

pub fn group(number: usize) -> GroupId {
    GroupId::from_uuid(Uuid::from_u128(number as u128))
}

pub fn keyword(text: impl Into<String>) -> Value {
    Value::Keyword(text.into())
}

fn finding_id(group: usize, number: u64) -> FindingId {
    FindingId::from_uuid(Uuid::from_u128((group as u128) << 64 | u128::from(number)))
}

/// Half of them in packages, half in code, about as scanners report them.
pub fn document(dice: &mut Dice, group_number: usize, serial: u64, size: usize) -> Document {
    // One thousand at a time come from one report: one asset, one tool.
    let report = serial / 1_000;
    let finding = dice.roll(size as u64 / 16) * 2 + report % 2;
    let (level, severity) = match finding * 37 % 100 {
        0..5 => ("CRITICAL", 90 + dice.roll(11)),
        5..30 => ("HIGH", 70 + dice.roll(20)),
        30..70 => ("MEDIUM", 40 + dice.roll(30)),
        _ => ("LOW", 1 + dice.roll(39)),
    };
    let open = dice.roll(100) < 40;
    let created = 1_700_000_000_000 + serial as i64 * 1_000;
    let mut values = vec![
        ("state", keyword(if open { "OPEN" } else { "CLOSED" })),
        ("level", keyword(level)),
        ("severity", Value::Number(severity as i64)),
        ("asset", keyword(format!("ast_{:032}", report / 2 % 20))),
        (
            "on_default_ref",
            Value::Number(i64::from(dice.roll(10) > 0)),
        ),
        ("created", Value::Number(created)),
        ("last_seen", Value::Number(created)),
        ("state_changed", Value::Number(created)),
        (
            "cwe",
            Value::Keywords(vec![format!("CWE-{}", 20 + finding % 60)]),
        ),
        ("ref", Value::Keywords(vec!["main".into()])),
        (
            "tag",
            Value::Keywords(
                (0..dice.roll(3))
                    .map(|_| format!("tag-{}", dice.roll(12)))
                    .collect(),
            ),
        ),
    ];
    if !open {
        values.push(("closed_reason", keyword("FIXED")));
    }
    if finding.is_multiple_of(2) {
        values.extend([
            ("location_kind", keyword("PACKAGE")),
            (
                "package",
                keyword(format!(
                    "pkg:npm/{}-{}@{}.{}.0",
                    WORDS[(finding % 40) as usize],
                    finding % 300,
                    finding % 5,
                    dice.roll(3)
                )),
            ),
            (
                "path",
                keyword(format!("services/{}/package-lock.json", dice.roll(40))),
            ),
            (
                "identifier",
                Value::Keywords(vec![format!(
                    "CVE-20{}-{}",
                    15 + finding % 10,
                    1_000 + finding
                )]),
            ),
            ("tool", Value::Keywords(vec!["trivy".into()])),
        ]);
    } else {
        let file = dice.roll(size as u64 / 6);
        values.extend([
            ("location_kind", keyword("CODE")),
            (
                "path",
                keyword(format!(
                    "src/{}/{}/{}_{file}.rs",
                    WORDS[(file % 40) as usize],
                    WORDS[(file / 40 % 40) as usize],
                    WORDS[(file / 7 % 40) as usize]
                )),
            ),
            (
                "identifier",
                Value::Keywords(vec![format!("rules.security.{}", finding % 400)]),
            ),
            ("tool", Value::Keywords(vec!["semgrep".into()])),
        ]);
    }
    Document {
        id: VulnerabilityId::from_uuid(Uuid::from_u128(
            u128::from(serial) << 64 | u128::from(dice.roll(u64::MAX)),
        )),
        group: group(group_number),
        finding: finding_id(group_number, finding),
        version: 1,
        values: values.into_iter().collect(),
    }
}

const WORDS: [&str; 40] = [
    "main", "http", "parser", "user", "login", "payment", "order", "cart", "search", "index",
    "store", "cache", "queue", "worker", "mail", "report", "export", "import", "config", "admin",
    "session", "token", "crypto", "hash", "file", "path", "image", "video", "stream", "socket",
    "client", "server", "proxy", "router", "schema", "query", "model", "view", "test", "util",
];

pub fn texts(dice: &mut Dice, group_number: usize, size: usize) -> Vec<FindingText> {
    let mut sentence = |length: u64| {
        (0..length)
            .map(|_| format!("{}{}", WORDS[dice.roll(40) as usize], dice.roll(60)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    (0..size as u64 / 8)
        .map(|number| FindingText {
            id: finding_id(group_number, number),
            group: group(group_number),
            version: 1,
            title: sentence(6),
            text: sentence(120),
        })
        .collect()
}
