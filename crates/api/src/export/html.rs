//! Exports as a page for people that can be printed: a summary with charts, then each vulnerability.
//!
//! The page asks nobody for anything: styles and charts are in it, and it says so to the browser. What
//! scanners and people wrote is escaped by the templates.

use askama::Template;
use axum::body::Bytes;
use gna_domain::error::Result;
use gna_domain::model::{FalsePositiveStatus, Level, Location, Treatment};
use gna_domain::service::export::{Export, Overview, Row};
use gna_domain::time::Timestamp;

use super::{counted, unwritable};

/// Longest advice that is shown for one vulnerability, in characters.
const ADVICE: usize = 600;
/// Width of the longest bar, in pixels.
const BAR: u64 = 200;
/// Height of one bar with the space below it, in pixels.
const STEP: u64 = 22;

pub fn pieces(mut export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let now = export.ctx().now();
        let overview = export.overview().await?;
        yield head(&overview, now)?;
        while let Some(page) = export.next().await? {
            counted(&page, "html");
            yield rows(&page, now)?;
        }
        yield Bytes::from_static(END);
    }
}

/// What closes the page.
const END: &[u8] = b"</tbody>\n</table>\n</body>\n</html>\n";

fn head(of: &Overview, now: Timestamp) -> Result<Bytes> {
    let page = Head::new(of, now).render();
    page.map(Bytes::from).map_err(|_| unwritable())
}

fn rows(page: &[Row], now: Timestamp) -> Result<Bytes> {
    let rows = page.iter().map(|row| Line::new(row, now)).collect();
    let page = Rows { rows }.render();
    page.map(Bytes::from).map_err(|_| unwritable())
}

#[derive(Template)]
#[template(path = "report_head.html")]
struct Head {
    place: String,
    at: String,
    total: u64,
    open: u64,
    charts: Vec<Chart>,
    first: Vec<Line>,
}

#[derive(Template)]
#[template(path = "report_rows.html")]
struct Rows {
    rows: Vec<Line>,
}

/// Horizontal bars with their counts.
struct Chart {
    title: &'static str,
    height: u64,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    count: u64,
    width: u64,
    y: u64,
    text_y: u64,
    count_x: u64,
    /// Of its colour; empty for the ordinary one.
    class: &'static str,
}

/// A vulnerability in words.
struct Line {
    priority: String,
    level: String,
    score: String,
    title: String,
    names: String,
    advice: String,
    place: String,
    state: String,
    decided: String,
    found: String,
}

impl Head {
    fn new(of: &Overview, now: Timestamp) -> Self {
        let sum = |counts: &[(String, u64)]| -> u64 { counts.iter().map(|(_, count)| count).sum() };
        let levels: Vec<(String, u64)> = Level::ALL
            .iter()
            .rev()
            .map(|level| {
                let name = level.to_string();
                let found = of.levels.iter().find(|(of, _)| *of == name);
                let count = found.map_or(0, |(_, count)| *count);
                (name, count)
            })
            .collect();
        let charts = [
            ("By severity", &levels),
            ("By state", &of.states),
            ("By treatment", &of.treatments),
            ("By asset", &of.assets),
            ("By tool", &of.tools),
        ];
        let open = of.states.iter().find(|(state, _)| state == "OPEN");
        Self {
            place: of.place.clone(),
            at: now.to_string(),
            total: sum(&of.states),
            open: open.map_or(0, |(_, count)| *count),
            charts: charts
                .into_iter()
                .filter(|(_, counts)| !counts.is_empty())
                .map(|(title, counts)| Chart::new(title, counts))
                .collect(),
            first: of.first.iter().map(|row| Line::new(row, now)).collect(),
        }
    }
}

impl Chart {
    fn new(title: &'static str, counts: &[(String, u64)]) -> Self {
        let most = counts
            .iter()
            .map(|(_, count)| *count)
            .max()
            .unwrap_or(0)
            .max(1);
        let bars = counts.iter().zip(0_u64..).map(|((name, count), at)| {
            let width = (count.saturating_mul(BAR) / most).max(u64::from(*count > 0));
            let y = at * STEP;
            Bar {
                name: name.chars().take(22).collect(),
                count: *count,
                width,
                y,
                text_y: y + 13,
                count_x: 160 + width,
                class: class(name),
            }
        });
        let bars: Vec<Bar> = bars.collect();
        let height = STEP.saturating_mul(u64::try_from(bars.len()).unwrap_or(0));
        Self {
            title,
            height,
            bars,
        }
    }
}

fn class(name: &str) -> &'static str {
    let levels = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"];
    levels
        .into_iter()
        .find(|level| *level == name)
        .unwrap_or_default()
}

impl Line {
    fn new(row: &Row, now: Timestamp) -> Self {
        let value = &row.vulnerability.value;
        let finding = row.finding.as_ref();
        let asset = row
            .asset
            .as_ref()
            .map_or("unknown", |asset| asset.name.as_str());
        let at = place(&value.location);
        let advice = finding.and_then(|finding| {
            let own = finding.recommendation.as_deref();
            own.or(finding.description.as_deref())
        });
        let state = match value.state.closed_reason() {
            Some(reason) => format!("{} ({})", value.state.as_str(), reason.as_str()),
            None => value.state.as_str().to_owned(),
        };
        Self {
            priority: format!("{:.1}", row.priority.score()),
            level: value.severity.level.to_string(),
            score: format!("{:.1}", value.severity.score),
            title: finding.map_or_else(|| "unknown".to_owned(), |finding| finding.title.clone()),
            names: value.identifiers.join(" "),
            advice: advice.unwrap_or_default().chars().take(ADVICE).collect(),
            place: if at.is_empty() {
                asset.to_owned()
            } else {
                format!("{asset}: {at}")
            },
            state,
            decided: decided(row, now),
            found: value.created.to_string().chars().take(10).collect(),
        }
    }
}

fn place(location: &Location) -> String {
    match location {
        Location::Code(code) => match code.line {
            Some(line) => format!("{}:{line}", code.path),
            None => code.path.clone(),
        },
        Location::Package(package) => {
            let version = package.version.as_deref().unwrap_or_default();
            let fixed = package.fixed_version.as_deref();
            let fixed = fixed
                .map(|fixed| format!(", fixed in {fixed}"))
                .unwrap_or_default();
            format!("{} {version}{fixed}", package.name)
        }
        Location::Endpoint(endpoint) => endpoint.url.clone(),
        Location::Network(network) => match network.port {
            Some(port) => format!("{}:{port}", network.host),
            None => network.host.clone(),
        },
        Location::Cloud(cloud) => cloud.resource.clone(),
        Location::Asset => String::new(),
    }
}

/// What people decided, with their reason.
fn decided(row: &Row, now: Timestamp) -> String {
    let triage = &row.vulnerability.value.triage;
    let because = |said: &str, reason: Option<&str>| match reason {
        Some(why) => format!("{said}: {why}"),
        None => said.to_owned(),
    };
    if let Some(request) = &triage.false_positive {
        let why = request.requested.reason.as_deref();
        match request.status {
            FalsePositiveStatus::Confirmed => return because("false positive", why),
            FalsePositiveStatus::Requested => {
                return because("false positive? not confirmed yet", why);
            }
            FalsePositiveStatus::Rejected => {}
        }
    }
    let why = triage
        .treatment
        .decided()
        .and_then(|note| note.reason.as_deref());
    match &triage.treatment {
        Treatment::InProgress { .. } => because("in progress", why),
        Treatment::Accepted { until, .. } if now < *until => {
            let day: String = until.to_string().chars().take(10).collect();
            because(&format!("accepted until {day}"), why)
        }
        Treatment::AcceptedPermanently { .. } => because("accepted for good", why),
        Treatment::Untreated | Treatment::Accepted { .. } => String::new(),
    }
}
