//! The triage desk through GraphQL.

use gna_domain::policy::Role;
use serde_json::{Value, json};

use crate::graphql_actor::{Actor, Place};

const LIST: &str = "query($filter: VulnerabilityFilter) { group(organization: \"acme\", slug: \"shop\") {
    vulnerabilities(filter: $filter) { edges { node { id version } } totalCount { value } }
    vulnerabilityFacets(fields: [TREATMENT, ASSIGNEE, FALSE_POSITIVE], filter: { anyFalsePositive: true }) { field values { value count } } } }";

async fn count(actor: &Actor, filter: Value) -> Value {
    let found = actor.data(LIST, json!({ "filter": filter })).await;
    found["group"]["vulnerabilities"]["totalCount"]["value"].clone()
}

fn mutation(name: &str, input: &str, fields: &str) -> String {
    format!(
        "mutation($input: {input}!) {{ {name}(input: $input) {{ vulnerability {{ {fields} }} }} }}"
    )
}

#[tokio::test]
async fn a_vulnerability_is_accepted_for_good_by_two_people() {
    let place = Place::new().await;
    place.filled(2, 1).await;
    let dora = place.actor("dora", place.in_shop(), Role::Developer).await;
    let mona = place.actor("mona", place.in_shop(), Role::Manager).await;
    let listed = dora.data(LIST, json!({})).await;
    let id = &listed["group"]["vulnerabilities"]["edges"][0]["node"]["id"];

    let accept = mutation(
        "acceptVulnerability",
        "AcceptVulnerabilityInput",
        "treatment { status until decided { reason person { name } } } acceptances",
    );
    let input =
        json!({ "input": { "id": id, "until": "2026-02-01T00:00:00Z", "reason": "later" } });
    let accepted = dora.data(&accept, input).await;
    assert_eq!(
        accepted["acceptVulnerability"]["vulnerability"],
        json!({ "acceptances": 1, "treatment": { "status": "ACCEPTED", "until": "2026-02-01T00:00:00.000Z",
            "decided": { "reason": "later", "person": { "name": "dora" } } } })
    );
    let blank = json!({ "input": { "id": id, "until": "2026-03-01T00:00:00Z", "reason": "" } });
    assert_eq!(dora.code(&accept, blank).await, "reason.required");

    let step = |name: &str| {
        mutation(
            name,
            "DecideInput",
            "treatment { status approved { person { name } } } acceptanceRequest { reason }",
        )
    };
    let input = json!({ "input": { "id": id, "reason": "never fixed" } });
    let asked = dora
        .data(&step("requestPermanentAcceptance"), input.clone())
        .await;
    assert_eq!(
        asked["requestPermanentAcceptance"]["vulnerability"],
        json!({ "treatment": { "status": "ACCEPTED", "approved": null }, "acceptanceRequest": { "reason": "never fixed" } })
    );
    place.world.run_jobs().await.expect("indexes");
    assert_eq!(
        count(&mona, json!({ "acceptanceRequested": true })).await,
        1
    );
    assert_eq!(
        dora.code(&step("approvePermanentAcceptance"), input.clone())
            .await,
        "auth.forbidden"
    );
    let done = mona.data(&step("approvePermanentAcceptance"), input).await;
    assert_eq!(
        done["approvePermanentAcceptance"]["vulnerability"]["treatment"],
        json!({ "status": "ACCEPTED_PERMANENTLY", "approved": { "person": { "name": "mona" } } })
    );
    place.world.run_jobs().await.expect("indexes");
    assert_eq!(
        count(&mona, json!({ "treatments": ["ACCEPTED_PERMANENTLY"] })).await,
        1
    );
    assert_eq!(
        count(&mona, json!({ "treatments": ["UNTREATED"] })).await,
        1
    );
}

#[tokio::test]
async fn false_positives_retests_and_plain_facts() {
    let place = Place::new().await;
    place.filled(1, 1).await;
    let tess = place.triager().await;
    let mona = place.actor("mona", place.in_shop(), Role::Manager).await;
    let listed = tess.data(LIST, json!({})).await;
    let id = &listed["group"]["vulnerabilities"]["edges"][0]["node"]["id"];
    let decide = |name: &str| {
        mutation(
            name,
            "DecideInput",
            "state falsePositive { status requested { person { name } } decided { person { name } } } verification { status cycle held { reason } }",
        )
    };
    let input = json!({ "input": { "id": id, "reason": "why" } });
    tess.data(&decide("requestVerification"), input.clone())
        .await;
    let held = tess.data(&decide("holdVerification"), input.clone()).await;
    assert_eq!(
        held["holdVerification"]["vulnerability"]["verification"],
        json!({ "status": "ON_HOLD", "cycle": 1, "held": { "reason": "why" } })
    );
    tess.data(&decide("resumeVerification"), input.clone())
        .await;
    let verify = mutation(
        "verifyVulnerability",
        "VerifyVulnerabilityInput",
        "state verification { outcome }",
    );
    let open = json!({ "input": { "id": id, "outcome": "OPEN" } });
    let verified = tess.data(&verify, open).await;
    assert_eq!(
        verified["verifyVulnerability"]["vulnerability"],
        json!({ "state": "OPEN", "verification": { "outcome": "OPEN" } })
    );
    tess.data(&decide("requestFalsePositive"), input.clone())
        .await;
    assert_eq!(
        tess.code(&decide("confirmFalsePositive"), input.clone())
            .await,
        "approval.same_person"
    );
    let confirmed = mona
        .data(&decide("confirmFalsePositive"), input.clone())
        .await;
    assert_eq!(
        confirmed["confirmFalsePositive"]["vulnerability"]["falsePositive"],
        json!({ "status": "CONFIRMED", "requested": { "person": { "name": "tess" } }, "decided": { "person": { "name": "mona" } } })
    );
    place.world.run_jobs().await.expect("indexes");
    assert_eq!(count(&mona, json!({})).await, 0);
    assert_eq!(
        count(&mona, json!({ "falsePositives": ["CONFIRMED"] })).await,
        1
    );
    let facets = mona.data(LIST, json!({})).await["group"]["vulnerabilityFacets"].clone();
    assert_eq!(
        facets,
        json!([
            { "field": "TREATMENT", "values": [{ "value": "UNTREATED", "count": 1 }] },
            { "field": "ASSIGNEE", "values": [{ "value": "NONE", "count": 1 }] },
            { "field": "FALSE_POSITIVE", "values": [{ "value": "CONFIRMED", "count": 1 }] },
        ])
    );
    mona.data(&decide("rejectFalsePositive"), input).await;

    let me = "{ viewer { user { id } } }";
    let user = tess.data(me, json!({})).await["viewer"]["user"]["id"].clone();
    let start = mutation(
        "startTreatment",
        "StartTreatmentInput",
        "treatment { status } assignee { name }",
    );
    let started = tess
        .data(&start, json!({ "input": { "id": id, "assignee": user } }))
        .await;
    assert_eq!(
        started["startTreatment"]["vulnerability"],
        json!({ "treatment": { "status": "IN_PROGRESS" }, "assignee": { "name": "tess" } })
    );
    let stranger = "usr_00000000000000000000000000000001";
    let assign = mutation(
        "assignVulnerability",
        "AssignVulnerabilityInput",
        "assignee { name }",
    );
    assert_eq!(
        tess.code(
            &assign,
            json!({ "input": { "id": id, "assignee": stranger } })
        )
        .await,
        "assignee.unknown"
    );
    let rate = mutation(
        "rateVulnerability",
        "RateVulnerabilityInput",
        "severity { score level tool } ownSeverity { score vector }",
    );
    let rated = tess
        .data(
            &rate,
            json!({ "input": { "id": id, "severity": { "score": 9.1 } } }),
        )
        .await;
    assert_eq!(
        rated["rateVulnerability"]["vulnerability"],
        json!({ "severity": { "score": 9.1, "level": "CRITICAL", "tool": "manual" }, "ownSeverity": { "score": 9.1, "vector": null } })
    );
    let link = mutation("linkTicket", "LinkTicketInput", "ticket");
    let linked = tess
        .data(
            &link,
            json!({ "input": { "id": id, "url": "https://tickets.example/9" } }),
        )
        .await;
    assert_eq!(
        linked["linkTicket"]["vulnerability"]["ticket"],
        "https://tickets.example/9"
    );
}

#[tokio::test]
async fn a_policy_says_where_each_value_comes_from_and_refuses_contradictions() {
    let place = Place::new().await;
    let mona = place.actor("mona", place.in_shop(), Role::Manager).await;
    let update = "mutation($id: ID!, $policy: PolicyInput!) { updateGroup(input: { id: $id, policy: $policy }) { group {
        policy { maxAcceptanceDays gateThreshold } ownPolicy { maxAcceptanceDays } policyFields { name value from } } } }";
    let id = place.shop.id.to_string();
    let set = mona
        .data(
            update,
            json!({ "id": id, "policy": { "maxAcceptanceDays": 90, "gateThreshold": 7.5 } }),
        )
        .await;
    let group = &set["updateGroup"]["group"];
    assert_eq!(
        group["policy"],
        json!({ "maxAcceptanceDays": 90, "gateThreshold": 7.5 })
    );
    let fields = group["policyFields"].as_array().expect("a list");
    let of = |name: &str| {
        fields
            .iter()
            .find(|field| field["name"] == name)
            .expect("is there")
            .clone()
    };
    assert_eq!(
        of("max_acceptance_days"),
        json!({ "name": "max_acceptance_days", "value": 90, "from": "GROUP" })
    );
    assert_eq!(of("gate_grace_days")["from"], "DEFAULT");
    for (policy, code) in [
        (json!({ "gateThreshold": 11.0 }), "policy.range"),
        (
            json!({ "acceptanceMinSeverity": 9.0, "acceptanceMaxSeverity": 1.0 }),
            "policy.contradiction",
        ),
        (
            json!({ "gateGraceDays": 9, "gateDebtDays": 5 }),
            "policy.contradiction",
        ),
        (
            json!({ "slaDaysCritical": 9, "slaDaysHigh": 5 }),
            "policy.contradiction",
        ),
    ] {
        assert_eq!(
            mona.code(update, json!({ "id": id, "policy": policy }))
                .await,
            code
        );
    }
    let reset = mona
        .data(
            update,
            json!({ "id": id, "policy": { "maxAcceptanceDays": null } }),
        )
        .await;
    assert_eq!(
        reset["updateGroup"]["group"]["policy"]["maxAcceptanceDays"],
        0
    );
}
