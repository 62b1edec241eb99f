//! Times of schedules in the words of EventBridge Scheduler (user guide, "Schedule types").

use serde_json::Value;

/// Expression and time zone of a timing as the API shows it; `None` where it can't be said exactly,
/// such as a time once, seconds that are no minutes, or days of the month and of the week at once.
#[must_use]
pub fn expression(timing: &Value) -> Option<(String, String)> {
    if timing["spread_seconds"].as_u64().unwrap_or(0) > 0 {
        return None;
    }
    if let Some(seconds) = timing["every_seconds"].as_u64() {
        let rate = match seconds {
            0 => return None,
            n if n % 86_400 == 0 => rate(n / 86_400, "day"),
            n if n % 3_600 == 0 => rate(n / 3_600, "hour"),
            n if n % 60 == 0 => rate(n / 60, "minute"),
            _ => return None,
        };
        return Some((rate, "UTC".to_owned()));
    }
    let cron = cron(timing["cron"].as_str()?)?;
    let zone = timing["zone"].as_str().unwrap_or("UTC");
    Some((cron, zone.to_owned()))
}

fn rate(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("rate({number} {unit}{plural})")
}

/// Five fields to six: a year, Sunday as 1 instead of 0, and a `?` for the days that are not said.
fn cron(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    let plain = |field: &&str| {
        field
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '*' | ',' | '-' | '/'))
    };
    if !fields.iter().all(plain) {
        return None;
    }
    let (day, weekday) = match (*day, *weekday) {
        (day, "*") => (day.to_owned(), "?".to_owned()),
        ("*", weekday) => ("?".to_owned(), moved(weekday)?),
        _ => return None,
    };
    Some(format!("cron({minute} {hour} {day} {month} {weekday} *)"))
}

/// Days of the week, one later each: 0 and 7 are Sunday in cron, 1 is in EventBridge.
fn moved(weekday: &str) -> Option<String> {
    let parts: Option<Vec<String>> = weekday
        .split(',')
        .map(|part| {
            let ends: Option<Vec<String>> = part
                .split('-')
                .map(|day| Some((day.parse::<u8>().ok()? % 7 + 1).to_string()))
                .collect();
            // A range that ends on Sunday would end before it begins.
            let ends = ends.filter(|ends| ends.is_sorted())?;
            Some(ends.join("-"))
        })
        .collect();
    parts.map(|parts| parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_said_exactly_or_not_at_all() {
        for (timing, said) in [
            (json!({ "every_seconds": 3600 }), Some("rate(1 hour)")),
            (json!({ "every_seconds": 300 }), Some("rate(5 minutes)")),
            (json!({ "every_seconds": 172_800 }), Some("rate(2 days)")),
            (json!({ "every_seconds": 90 }), None),
            (json!({ "cron": "30 2 * * *" }), Some("cron(30 2 * * ? *)")),
            (
                json!({ "cron": "0 9 * * 1-5" }),
                Some("cron(0 9 ? * 2-6 *)"),
            ),
            (
                json!({ "cron": "0 9 * * 0,3" }),
                Some("cron(0 9 ? * 1,4 *)"),
            ),
            (
                json!({ "cron": "*/15 * 1 * *" }),
                Some("cron(*/15 * 1 * ? *)"),
            ),
            (json!({ "cron": "0 9 * * 5-7" }), None),
            (json!({ "every_seconds": 3600, "spread_seconds": 60 }), None),
            (json!({ "cron": "0 9 1 * 1" }), None),
            (json!({ "cron": "0 9 L * *" }), None),
            (json!({ "at": "2026-01-01T00:00:00Z" }), None),
            (json!(null), None),
        ] {
            let found = expression(&timing).map(|(expression, _)| expression);
            assert_eq!(found.as_deref(), said, "{timing}");
        }
        let zoned = json!({ "cron": "0 3 * * *", "zone": "Europe/Berlin" });
        assert_eq!(
            expression(&zoned).map(|(_, zone)| zone).as_deref(),
            Some("Europe/Berlin")
        );
    }
}
