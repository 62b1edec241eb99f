//! A CloudFormation template for the functions that there are, as `gna deploy template` prints it.
//!
//! Two Lambda functions of one package: one answers requests, the other works. Every function of
//! `gna functions` has its own trigger on one of them, and there is no trigger beside those and the
//! two that wake the work up: the clock and the table's stream. Read next: `resources.rs` (what does
//! not depend on the list), `schedule.rs` (times in EventBridge's words).

mod resources;
mod schedule;

use serde_json::{Map, Value, json};

pub use schedule::expression;

/// A function as `gna functions --json` lists it; of a schedule with its timing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub name: String,
    /// `http`, `job` or `schedule`.
    pub trigger: String,
    /// Of a group of routes: `GET /api/v2/reports`.
    pub routes: Vec<String>,
    /// Of a schedule: its kind and its parts, as `GET /api/v2/schedules` shows them.
    pub timing: Value,
}

/// The Lambda function that answers requests, and the one that works.
const API: &str = "ApiFunction";
const WORK: &str = "WorkFunction";

/// The template, as JSON.
#[must_use]
pub fn template(functions: &[Listed]) -> Value {
    let mut parameters = resources::parameters();
    let mut all = resources::resources();
    let mut told = Map::new();
    for function in functions {
        let triggers: Vec<(String, Value)> = match function.trigger.as_str() {
            "http" => routes(&function.routes),
            "schedule" => timed(function, &mut parameters),
            // Its messages come by the one queue.
            _ => vec![("JobsQueueMapping".to_owned(), Value::Null)],
        };
        let names: Vec<&String> = triggers.iter().map(|(name, _)| name).collect();
        told.insert(
            function.name.clone(),
            json!({
                "Trigger": function.trigger,
                "Function": if function.trigger == "http" { API } else { WORK },
                "Resources": names,
            }),
        );
        for (name, resource) in triggers {
            if !resource.is_null() {
                all.insert(name, resource);
            }
        }
    }
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Gna {} as functions: {} of them", env!("CARGO_PKG_VERSION"), functions.len()),
        "Metadata": { "Gna": { "Version": env!("CARGO_PKG_VERSION"), "Functions": told } },
        "Parameters": parameters,
        "Conditions": resources::conditions(),
        "Resources": all,
        "Outputs": resources::outputs(),
    })
}

/// The gateway's routes of a group: each address as it is, and all below where it names something.
fn routes(routes: &[String]) -> Vec<(String, Value)> {
    let mut paths: Vec<String> = routes.iter().map(|route| path_of(route)).collect();
    paths.sort_unstable();
    paths.dedup();
    let resource = |path: String| {
        let name = format!("Route{}", logical(&path));
        let route = json!({
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": { "Ref": "HttpApi" },
                "RouteKey": format!("ANY {path}"),
                "Target": { "Fn::Sub": "integrations/${ApiIntegration}" },
            },
        });
        (name, route)
    };
    paths.into_iter().map(resource).collect()
}

/// `GET /api/v2/reports/{report}/x` is `/api/v2/reports/{proxy+}` at the gateway.
fn path_of(route: &str) -> String {
    let path = route.split_once(' ').map_or(route, |(_, path)| path);
    match path.split_once('{') {
        Some((before, _)) => format!("{before}{{proxy+}}"),
        None => path.to_owned(),
    }
}

/// A name that CloudFormation takes: letters and digits, a capital where a word begins. Marks that
/// set paths apart are told apart.
fn logical(text: &str) -> String {
    let mut name = String::new();
    let mut is_first = true;
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => {
                let letter = match is_first {
                    true => letter.to_ascii_uppercase(),
                    false => letter,
                };
                name.push(letter);
                is_first = false;
            }
            '+' => name.push_str("All"),
            '_' => name.push('U'),
            '-' => name.push('D'),
            _ => is_first = true,
        }
        if matches!(letter, '-' | '_') {
            is_first = true;
        }
    }
    match name.is_empty() {
        true => "Root".to_owned(),
        false => name,
    }
}

/// A schedule of EventBridge for one of Gna's, where its times can be said there; else the clock,
/// which looks every minute, is its trigger.
fn timed(function: &Listed, parameters: &mut Map<String, Value>) -> Vec<(String, Value)> {
    let Some((expression, zone)) = expression(&function.timing) else {
        return vec![("Clock".to_owned(), Value::Null)];
    };
    let name = logical(function.name.trim_start_matches("schedule:"));
    let parameter = format!("Times{name}");
    parameters.insert(
        parameter.clone(),
        json!({
            "Type": "String",
            "Default": expression,
            "Description": format!("When EventBridge wakes the work up for {}; what is due is decided by the schedule in the store", function.name),
        }),
    );
    let target = resources::clock_target();
    vec![(
        format!("Schedule{name}"),
        json!({
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Description": function.name,
                "ScheduleExpression": { "Ref": parameter },
                "ScheduleExpressionTimezone": zone,
                "FlexibleTimeWindow": { "Mode": "OFF" },
                "Target": target,
            },
        }),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_become_the_gateways() {
        for (route, path, name) in [
            ("GET /", "/", "Root"),
            ("GET /api/v2/reports", "/api/v2/reports", "ApiV2Reports"),
            (
                "GET /api/v2/reports/{report}/x",
                "/api/v2/reports/{proxy+}",
                "ApiV2ReportsProxyAll",
            ),
            ("GET /sign-in", "/sign-in", "SignDIn"),
            ("POST /files/{*path}", "/files/{proxy+}", "FilesProxyAll"),
        ] {
            assert_eq!(path_of(route), path);
            assert_eq!(logical(path), name);
        }
    }
}
