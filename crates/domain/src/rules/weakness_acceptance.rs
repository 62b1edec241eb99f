//! What becomes of a weakness acceptance, and what it says about one vulnerability: pure decisions.
//!
//! One person submits it, another one approves; from then on it is asked like a triage rule
//! ([`super::triage_rule`]), before all of them. Once it is inactive, what it set is taken back where
//! nobody has decided otherwise since.

use super::treatment::{
    acceptable_severity, acceptable_until, reason, reason_length, second_person,
};
use crate::error::{Error, Result};
use crate::id::RuleId;
use crate::model::{
    Asset, Note, Policy, Treatment, Vulnerability, VulnerabilityEvent, WeaknessAcceptance,
    WeaknessAcceptanceStatus as Status, WeaknessName, normal_tags,
};
use crate::time::Timestamp;

/// Longest name of a weakness, in bytes.
const NAME_LIMIT: usize = 500;

/// Most tags of either kind.
const TAGS_MAX: usize = 20;

/// What is asked to be accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// `CWE-79`, `CVE-2021-44228`, `semgrep:python.lang.exec`.
    pub weakness: String,
    /// None: for good.
    pub until: Option<Timestamp>,
    /// Of vulnerabilities; empty: all.
    pub tags: Vec<String>,
    /// Of assets; empty: all.
    pub asset_tags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Approve,
    Reject,
    Deactivate,
}

impl Command {
    /// What the audit log and the feed call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "weakness_acceptance.approved",
            Self::Reject => "weakness_acceptance.rejected",
            Self::Deactivate => "weakness_acceptance.deactivated",
        }
    }
}

/// Reads the name of a weakness.
///
/// # Errors
/// `weakness.malformed`.
pub fn weakness(text: &str) -> Result<WeaknessName> {
    let text = text.trim();
    let malformed = || {
        Error::invalid(
            "weakness.malformed",
            "name a weakness as CWE-79, by a public name (CVE-2021-44228), or as TOOL:RULE",
        )
        .on_field("weakness")
    };
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if text.is_empty() || text.len() > NAME_LIMIT || text.contains(odd) {
        return Err(malformed());
    }
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("CWE-") {
        let number = number.parse().ok().filter(|number| *number > 0);
        return number.map(WeaknessName::Cwe).ok_or_else(malformed);
    }
    let is_rule =
        matches!(text.split_once(':'), Some((tool, rule)) if !tool.is_empty() && !rule.is_empty());
    // Public names begin with who gives them: CVE-, GHSA-, RUSTSEC-, PYSEC-, GO-.
    let is_public = matches!(text.split_once('-'), Some((who, rest))
        if !rest.is_empty() && !who.is_empty() && who.chars().all(|c| c.is_ascii_alphanumeric()));
    if is_rule || is_public {
        Ok(WeaknessName::Name(text.to_owned()))
    } else {
        Err(malformed())
    }
}

/// An acceptance that is submitted for the first time.
///
/// # Errors
/// Those of [`weakness`] and of tags, `acceptance.in_past`, `reason.required`, `reason.too_long`.
pub fn submitted(
    id: RuleId,
    organization: crate::id::OrganizationId,
    draft: &Draft,
    note: &Note,
) -> Result<WeaknessAcceptance> {
    reason(note)?;
    reason_length(note)?;
    in_future(draft.until, note.at)?;
    let weakness = weakness(&draft.weakness)?;
    let tags = |tags: &[String], field: &str| {
        let tags = normal_tags(tags).map_err(|error| error.on_field(field))?;
        if tags.len() > TAGS_MAX {
            return Err(
                Error::limit("tag.too_many", format!("at most {TAGS_MAX} tags")).on_field(field),
            );
        }
        Ok(tags)
    };
    Ok(WeaknessAcceptance {
        id,
        organization,
        weakness,
        until: draft.until,
        tags: tags(&draft.tags, "tags")?,
        asset_tags: tags(&draft.asset_tags, "assetTags")?,
        status: Status::Submitted,
        version: 1,
        created: note.at,
        submitted: note.clone(),
        decided: None,
        ended: None,
    })
}

/// One that was rejected or ended is submitted again, as what the draft says.
///
/// # Errors
/// `weakness_acceptance.state`, and those of [`submitted`].
pub fn submitted_again(
    current: &WeaknessAcceptance,
    draft: &Draft,
    note: &Note,
) -> Result<WeaknessAcceptance> {
    if !matches!(current.status, Status::Rejected | Status::Inactive) {
        return Err(state(
            current,
            "only what was rejected or is inactive can be submitted again",
        ));
    }
    Ok(WeaknessAcceptance {
        version: current.version.saturating_add(1),
        created: current.created,
        ..submitted(current.id, current.organization, draft, note)?
    })
}

/// The acceptance after a person's decision. It takes a second person; whoever asked may only withdraw
/// what they asked for, which is to reject it.
///
/// # Errors
/// `weakness_acceptance.state`, `approval.needs_person`, `approval.same_person`, `acceptance.in_past`,
/// `reason.required`, `reason.too_long`.
pub fn decide(
    current: &WeaknessAcceptance,
    command: Command,
    note: &Note,
) -> Result<WeaknessAcceptance> {
    reason_length(note)?;
    match (command, current.status) {
        (Command::Reject, Status::Submitted) if is_withdrawal(current, note) => {}
        (Command::Approve | Command::Reject, Status::Submitted) => {
            second_person(&current.submitted, note)?;
        }
        (Command::Deactivate, Status::Approved) => {}
        (Command::Approve | Command::Reject, _) => {
            return Err(state(current, "it does not wait for a decision"));
        }
        (Command::Deactivate, _) => return Err(state(current, "it is not in force")),
    }
    if command == Command::Approve {
        in_future(current.until, note.at)?;
    } else {
        reason(note)?;
    }
    let next = current.clone();
    Ok(match command {
        Command::Approve => WeaknessAcceptance {
            status: Status::Approved,
            decided: Some(note.clone()),
            ..next
        },
        Command::Reject => WeaknessAcceptance {
            status: Status::Rejected,
            decided: Some(note.clone()),
            ..next
        },
        Command::Deactivate => WeaknessAcceptance {
            status: Status::Inactive,
            ended: Some(note.clone()),
            ..next
        },
    })
}

/// Whether it is who asked that rejects it.
#[must_use]
pub fn is_withdrawal(current: &WeaknessAcceptance, note: &Note) -> bool {
    current.submitted.is_same_person(note)
}

fn state(current: &WeaknessAcceptance, message: &str) -> Error {
    Error::conflict(
        "weakness_acceptance.state",
        format!("it is {}: {message}", current.status.as_str()),
    )
}

fn in_future(until: Option<Timestamp>, now: Timestamp) -> Result<()> {
    if until.is_some_and(|until| until <= now) {
        return Err(Error::invalid(
            "acceptance.in_past",
            "an acceptance ends in the future; leave the date out to accept it for good",
        )
        .on_field("until"));
    }
    Ok(())
}

/// Whether it decides on vulnerabilities now.
#[must_use]
pub fn is_in_force(acceptance: &WeaknessAcceptance, now: Timestamp) -> bool {
    acceptance.status == Status::Approved && acceptance.until.is_none_or(|until| now < until)
}

/// Whether it is about that vulnerability.
#[must_use]
pub fn is_about(acceptance: &WeaknessAcceptance, value: &Vulnerability, asset: &Asset) -> bool {
    let named = match &acceptance.weakness {
        WeaknessName::Cwe(number) => value.cwes.contains(number),
        WeaknessName::Name(name) => {
            value
                .identifiers
                .iter()
                .any(|identifier| identifier.eq_ignore_ascii_case(name))
                || value.sources.iter().any(|source| {
                    name.strip_prefix(source.tool.as_str())
                        .and_then(|rest| rest.strip_prefix(':'))
                        == Some(source.rule.as_str())
                })
        }
    };
    let one_of = |wanted: &[String], there: &[String]| {
        wanted.is_empty() || wanted.iter().any(|tag| there.contains(tag))
    };
    named && one_of(&acceptance.tags, &value.tags) && one_of(&acceptance.asset_tags, &asset.tags)
}

/// What it decides about a vulnerability that nobody has decided on.
///
/// # Errors
/// What the policy of the vulnerability's group refuses: `acceptance.severity`, `acceptance.too_long`,
/// `acceptance.too_often`; `acceptance.in_past`.
pub fn granted(
    acceptance: &WeaknessAcceptance,
    current: &Vulnerability,
    policy: &Policy,
    note: &Note,
) -> Result<Vec<VulnerabilityEvent>> {
    let treatment = match acceptance.until {
        Some(until) => {
            acceptable_until(current, until, policy, note.at)?;
            Treatment::Accepted {
                until,
                decided: note.clone(),
            }
        }
        None => {
            acceptable_severity(current, policy)?;
            Treatment::AcceptedPermanently {
                decided: note.clone(),
                approved: acceptance.decided.clone().unwrap_or_else(|| note.clone()),
            }
        }
    };
    Ok(vec![VulnerabilityEvent::TreatmentChanged { treatment }])
}

/// Takes back what the acceptance set up to that version, if it is what still holds. A request that a
/// person has made since stays.
#[must_use]
pub fn taken_back(current: &Vulnerability, id: RuleId, version: u32) -> Vec<VulnerabilityEvent> {
    let is_its_own = accepted_by(current).is_some_and(|(rule, of)| rule == id && of <= version);
    if !is_its_own || current.merged_into.is_some() {
        return Vec::new();
    }
    let request = current.triage.acceptance_request.clone();
    let reset = VulnerabilityEvent::TreatmentChanged {
        treatment: Treatment::Untreated,
    };
    let asked = request.map(|request| VulnerabilityEvent::AcceptanceRequested { request });
    std::iter::once(reset).chain(asked).collect()
}

/// The rule or weakness acceptance by which it is accepted, and the version of that.
#[must_use]
pub fn accepted_by(current: &Vulnerability) -> Option<(RuleId, u32)> {
    match &current.triage.treatment {
        Treatment::Accepted { decided, .. } | Treatment::AcceptedPermanently { decided, .. } => {
            author(&decided.by)
        }
        Treatment::Untreated | Treatment::InProgress { .. } => None,
    }
}

/// The last version of which nothing may hold any more; 0 where there is none.
#[must_use]
pub fn last_ended(acceptance: &WeaknessAcceptance) -> u32 {
    match acceptance.status {
        Status::Inactive => acceptance.version,
        Status::Submitted | Status::Approved | Status::Rejected => {
            acceptance.version.saturating_sub(1)
        }
    }
}

/// The rule and version that a note of [`super::triage_rule`] is by.
fn author(by: &str) -> Option<(RuleId, u32)> {
    let (id, version) = by.strip_prefix("rule:")?.split_once('@')?;
    Some((id.parse().ok()?, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OrganizationId, TypedId, UserId};
    use uuid::Uuid;

    fn person(number: u128, at: i64, reason: Option<&str>) -> Note {
        let user = UserId::from_uuid(Uuid::from_u128(number));
        Note {
            by: user.to_string(),
            person: Some(user),
            at: Timestamp::from_millis(at),
            reason: reason.map(str::to_owned),
        }
    }

    fn draft(weakness: &str) -> Draft {
        Draft {
            weakness: weakness.to_owned(),
            ..Draft::default()
        }
    }

    fn made(draft: &Draft) -> Result<WeaknessAcceptance> {
        let organization = OrganizationId::from_uuid(Uuid::from_u128(1));
        let id = RuleId::from_uuid(Uuid::from_u128(2));
        submitted(id, organization, draft, &person(1, 10, Some("agreed")))
    }

    #[test]
    fn names_of_weaknesses_are_read_and_others_refused() {
        for (text, read) in [
            (" cwe-79 ", "CWE-79"),
            ("CVE-2021-44228", "CVE-2021-44228"),
            ("GHSA-abcd-efgh-ijkl", "GHSA-abcd-efgh-ijkl"),
            ("semgrep:python.lang.exec", "semgrep:python.lang.exec"),
            ("RHSA-2021:1234", "RHSA-2021:1234"),
        ] {
            assert_eq!(weakness(text).map(|name| name.to_string()), Ok(read.into()));
        }
        let long = "x".repeat(NAME_LIMIT + 1);
        for wrong in [
            "",
            "CWE-",
            "CWE-0",
            "CWE-x",
            "SQL injection",
            ":rule",
            "tool:",
            "exec",
            &long,
        ] {
            let refused = weakness(wrong).expect_err("refused");
            assert_eq!(
                (refused.code(), refused.field()),
                ("weakness.malformed", Some("weakness")),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn every_state_takes_only_its_own_decisions() {
        let new = made(&draft("CWE-79")).expect("is submitted");
        let other = person(2, 20, Some("because"));
        let approved = decide(&new, Command::Approve, &other).expect("is approved");
        let rejected = decide(&new, Command::Reject, &other).expect("is rejected");
        let inactive = decide(&approved, Command::Deactivate, &other).expect("ends");
        let again = |of: &WeaknessAcceptance| submitted_again(of, &draft("CWE-79"), &other);
        for (of, status, takes) in [
            (&new, Status::Submitted, [true, true, false, false]),
            (&approved, Status::Approved, [false, false, true, false]),
            (&rejected, Status::Rejected, [false, false, false, true]),
            (&inactive, Status::Inactive, [false, false, false, true]),
        ] {
            assert_eq!(of.status, status);
            let tried = [
                decide(of, Command::Approve, &other),
                decide(of, Command::Reject, &other),
                decide(of, Command::Deactivate, &other),
                again(of),
            ];
            for (tried, takes) in tried.into_iter().zip(takes) {
                let code = tried.map(|_| ()).map_err(|error| error.code());
                let expected = if takes {
                    Ok(())
                } else {
                    Err("weakness_acceptance.state")
                };
                assert_eq!(code, expected, "{status:?}");
            }
        }
        for (of, last) in [(&new, 0), (&approved, 0), (&rejected, 0), (&inactive, 1)] {
            assert_eq!(last_ended(of), last, "{:?}", of.status);
        }
        let second = again(&inactive).expect("is submitted");
        assert_eq!(last_ended(&second), 1);
        assert_eq!((second.version, second.status), (2, Status::Submitted));
        assert_eq!((second.decided, second.ended), (None, None));
    }

    #[test]
    fn it_takes_another_person_a_reason_and_a_day_to_come() {
        let until = Some(Timestamp::from_millis(15));
        let new = made(&Draft {
            until,
            ..draft("CWE-79")
        })
        .expect("is submitted");
        let code = |command, note: &Note| {
            decide(&new, command, note)
                .map(|_| ())
                .map_err(|e| e.code())
        };
        let machine = Note {
            person: None,
            by: "tok_1".into(),
            ..person(3, 12, None)
        };
        assert_eq!(
            code(Command::Approve, &person(1, 12, None)),
            Err("approval.same_person")
        );
        assert_eq!(
            code(Command::Approve, &machine),
            Err("approval.needs_person")
        );
        assert_eq!(
            code(Command::Approve, &person(2, 15, None)),
            Err("acceptance.in_past")
        );
        assert_eq!(
            code(Command::Reject, &person(2, 12, None)),
            Err("reason.required")
        );
        // Who asked may take it back, and says why.
        for (withdraws, expected) in [
            (person(1, 12, None), Err("reason.required")),
            (person(1, 12, Some("not any more")), Ok(())),
        ] {
            assert_eq!(code(Command::Reject, &withdraws), expected);
        }
        assert_eq!(
            code(Command::Reject, &machine),
            Err("approval.needs_person")
        );
        assert_eq!(code(Command::Approve, &person(2, 12, None)), Ok(()));
        let approved = decide(&new, Command::Approve, &person(2, 12, None)).expect("is approved");
        assert!(is_in_force(&approved, Timestamp::from_millis(14)));
        assert!(
            !is_in_force(&approved, Timestamp::from_millis(15)),
            "its date ends it"
        );
        let past = Draft {
            until: Some(Timestamp::from_millis(10)),
            ..draft("CWE-79")
        };
        assert_eq!(
            made(&past).map(|_| ()).map_err(|error| error.code()),
            Err("acceptance.in_past")
        );
    }
}
