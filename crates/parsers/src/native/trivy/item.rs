//! One vulnerability, misconfiguration, secret or licence of Trivy as a finding.

use gna_domain::import::{Refusal, Reported};
use gna_domain::model::{CodeLocation, Level, Location, PackageLocation};

use super::super::draft::{Draft, Emitter};
use super::model::{Head, License, Misconfiguration, Modified, Resource, Secret, Vulnerability};
use crate::json::Item;
use crate::text;

/// CWE-798: use of hard-coded credentials.
const HARD_CODED: u32 = 798;

/// What stands around an item.
pub struct Context<'r> {
    pub head: Option<&'r Head>,
    pub resource: Option<&'r Resource>,
}

impl Context<'_> {
    fn target(&self) -> &str {
        self.head.map_or("", |head| head.target.trim())
    }

    fn kind(&self) -> &str {
        self.head.map_or("", |head| head.r#type.as_str())
    }

    /// For OS packages the target is the image's name with its system's, not a file.
    fn is_system(&self) -> bool {
        self.head.is_some_and(|head| {
            head.class == "os-pkgs" || head.class.is_empty() && is_image(&head.target)
        })
    }

    fn path(&self) -> Option<String> {
        let target = text::path(self.target(), false);
        (!self.is_system() && !target.is_empty()).then_some(target)
    }

    /// The image that a cluster's resource runs.
    fn image(&self) -> Option<String> {
        self.resource?;
        let target = self.target();
        (self.is_system() && !target.is_empty())
            .then(|| target.split(" (").next().unwrap_or(target).to_owned())
    }

    fn tags(&self) -> Vec<String> {
        let head = self
            .head
            .into_iter()
            .flat_map(|head| [head.class.clone(), head.r#type.clone()]);
        head.chain(self.resource.map(|resource| resource.namespace.clone()))
            .collect()
    }

    fn place(&self) -> Option<String> {
        self.resource
            .map(Resource::path)
            .filter(|path| !path.is_empty())
    }
}

/// `alpine:3.10 (alpine 3.10.2)`, as reports without classes name images.
fn is_image(target: &str) -> bool {
    target.ends_with(')') && target.contains(" (")
}

pub fn vulnerability(
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Some(found) = out.check(item.read::<Vulnerability>()) else {
        return Ok(());
    };
    emit_vulnerability(found, Reported::Present, item, context, out)
}

fn emit_vulnerability(
    found: Vulnerability,
    reported: Reported,
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let vectors =
        found
            .cvss
            .into_values()
            .fold((Vec::new(), None), |(mut vectors, score), source| {
                vectors.extend([source.v4, source.v3, source.v2].into_iter().flatten());
                (vectors, source.score.or(score))
            });
    let title = if found.title.trim().is_empty() {
        format!("{} in {}", found.id, found.pkg_name)
    } else {
        found.title
    };
    let mut tags = context.tags();
    tags.extend(
        found
            .status
            .filter(|status| !matches!(status.as_str(), "fixed" | "affected")),
    );
    let draft = Draft {
        title,
        description: found.description,
        references: found
            .primary_url
            .into_iter()
            .chain(found.references)
            .collect(),
        cwes: text::cwes(&found.cwe_ids),
        identifiers: vec![found.id.clone()],
        vectors: vectors.0,
        score: vectors.1,
        severity: found.severity,
        message: context.place().map(|place| format!("In {place}")),
        tags,
        reported,
        rule: found.id,
        ..Draft::default()
    };
    let location = PackageLocation {
        name: found.pkg_name,
        version: found.installed_version,
        purl: found.pkg_identifier.purl,
        ecosystem: text::ecosystem(context.kind()).map(str::to_owned),
        fixed_version: found.fixed_version,
        path: found
            .pkg_path
            .map(|path| text::path(&path, false))
            .or_else(|| context.path()),
        layer: found.layer.digest.or(found.layer.diff_id),
        image: context.image(),
        ..PackageLocation::default()
    };
    out.emit(draft, Location::Package(location), item.position)
}

pub fn misconfiguration(
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Some(found) = out.check(item.read::<Misconfiguration>()) else {
        return Ok(());
    };
    let reported = match found.status.as_str() {
        "PASS" => Reported::Absent {
            reason: "status PASS".to_owned(),
        },
        "EXCEPTION" => Reported::Suppressed {
            status: "EXCEPTION".to_owned(),
            justification: None,
        },
        _ => Reported::Present,
    };
    emit_misconfiguration(found, reported, item, context, out)
}

fn emit_misconfiguration(
    found: Misconfiguration,
    reported: Reported,
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    // The AVD id names the check in every version that has it; the other changed its form.
    let Some(rule) = found.avd_id.or(found.id) else {
        out.skip(crate::json::skipped(
            item.position,
            format!("item {} has neither `ID` nor `AVDID`", item.position.item),
        ));
        return Ok(());
    };
    let cause = found.cause_metadata;
    let lines: Vec<&str> = cause
        .code
        .lines
        .iter()
        .filter(|line| line.is_cause)
        .map(|line| line.content.as_str())
        .collect();
    let draft = Draft {
        title: found.title,
        description: found.description,
        recommendation: found.resolution,
        references: found
            .primary_url
            .into_iter()
            .chain(found.references)
            .collect(),
        identifiers: vec![],
        severity: found.severity,
        message: found.message,
        tags: context.tags(),
        reported,
        rule,
        ..Draft::default()
    };
    let location = CodeLocation {
        path: text::path(context.target(), false),
        line: cause.start_line,
        end_line: cause.end_line,
        snippet: (!lines.is_empty()).then(|| lines.join("\n")),
        symbol: context.place().or(cause.resource),
        ..CodeLocation::default()
    };
    out.emit(draft, in_file(location), item.position)
}

pub fn secret(
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Some(found) = out.check(item.read::<Secret>()) else {
        return Ok(());
    };
    emit_secret(found, Reported::Present, item, context, out)
}

fn emit_secret(
    found: Secret,
    reported: Reported,
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let draft = Draft {
        title: if found.title.trim().is_empty() {
            found.rule.clone()
        } else {
            format!("Secret found: {}", found.title)
        },
        cwes: vec![HARD_CODED],
        severity: found.severity,
        default: Some(Level::High),
        tags: found.category.into_iter().chain(context.tags()).collect(),
        reported,
        rule: found.rule,
        ..Draft::default()
    };
    let location = CodeLocation {
        path: text::path(context.target(), false),
        line: found.start_line,
        end_line: found.end_line,
        symbol: context.place(),
        ..CodeLocation::default()
    };
    out.emit(draft, in_file(location), item.position)
}

pub fn license(
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Some(found) = out.check(item.read::<License>()) else {
        return Ok(());
    };
    let category = found
        .category
        .map_or_else(String::new, |category| format!(" ({category})"));
    let draft = Draft {
        rule: format!("license-{}", text::one_line(&found.name, 200)),
        title: format!("Licence {}{category}", found.name),
        references: found.link.into_iter().collect(),
        severity: found.severity,
        tags: context.tags(),
        ..Draft::default()
    };
    let file = found.file_path.map(|path| text::path(&path, false));
    let location = match found.pkg_name {
        Some(name) => Location::Package(PackageLocation {
            name,
            ecosystem: text::ecosystem(context.kind()).map(str::to_owned),
            path: file.or_else(|| context.path()),
            ..PackageLocation::default()
        }),
        None => in_file(CodeLocation {
            path: file.unwrap_or_else(|| text::path(context.target(), false)),
            ..CodeLocation::default()
        }),
    };
    out.emit(draft, location, item.position)
}

/// What an ignore file or a VEX document set aside, with its own words.
pub fn modified(
    item: &Item<'_, '_>,
    context: &Context<'_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Some(found) = out.check(item.read::<Modified<'_>>()) else {
        return Ok(());
    };
    let status = if found.status.is_empty() {
        "ignored".to_owned()
    } else {
        found.status
    };
    let reported = match status.as_str() {
        "fixed" => Reported::Absent {
            reason: "status fixed".to_owned(),
        },
        _ => Reported::Suppressed {
            status,
            justification: found.statement,
        },
    };
    let inner = Item {
        raw: found.finding.get(),
        ..*item
    };
    match found.r#type.as_str() {
        "vulnerability" => match out.check(inner.read()) {
            Some(found) => emit_vulnerability(found, reported, &inner, context, out),
            None => Ok(()),
        },
        "misconfiguration" => match out.check(inner.read()) {
            Some(found) => emit_misconfiguration(found, reported, &inner, context, out),
            None => Ok(()),
        },
        "secret" => match out.check(inner.read()) {
            Some(found) => emit_secret(found, reported, &inner, context, out),
            None => Ok(()),
        },
        other => {
            let message = format!(
                "item {} is a set-aside {other:?}, which is not read",
                item.position.item
            );
            out.skip(crate::json::skipped(item.position, message));
            Ok(())
        }
    }
}

fn in_file(location: CodeLocation) -> Location {
    if location.path.is_empty() && location.symbol.is_none() {
        Location::Asset
    } else {
        Location::Code(location)
    }
}
