//! Changing things through GraphQL: groups, assets, uploads, decisions, access.

use async_graphql::{Executor, Request};
use futures::StreamExt;
use gna_api::graphql::http::Api;
use gna_api::graphql::socket::Socket;
use gna_domain::Resource;
use gna_domain::model::Origin;
use gna_domain::policy::Role;
use gna_domain::rules::throttle::PER_ACCOUNT;
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::Caller;
use gna_domain::service::report::{self, UploadReport};
use gna_domain::service::sign_in::{SignIn, sign_in};
use gna_testkit::trivy;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::graphql_actor::{Place, multipart};

const UPLOAD: &str = "mutation($group: ID!, $file: Upload!) {
  uploadReport(input: { group: $group, file: $file, asset: \"web\", ref: \"main\" }) { report { id status size fileName } } }";

#[tokio::test]
async fn an_uploaded_report_becomes_vulnerabilities_that_can_be_decided_on() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let operations = json!({ "query": UPLOAD, "variables": { "group": place.shop.id.to_string(), "file": null } });
    let file = trivy(
        "package-lock.json",
        &[("CVE-2024-0001", "left-pad", "1.0.0")],
    );
    let (kind, body) = multipart(&operations, &json!({ "0": ["variables.file"] }), &file);
    let (_, answer) = tess.send(&kind, body).await;
    let report = &answer["data"]["uploadReport"]["report"];
    assert_eq!(report["status"], "QUEUED", "{answer}");
    assert_eq!(report["size"], file.len());
    assert_eq!(report["fileName"], "trivy.json");
    place.world.run_jobs().await.expect("imports");
    let query = "query($id: ID!) { report(id: $id) { status tool format counts { total created skipped } progress { applied planned } warnings { code } refusal { code } } }";
    let done = tess.data(query, json!({ "id": report["id"] })).await;
    assert_eq!(done["report"]["status"], "COMPLETE");
    assert_eq!(
        done["report"]["counts"],
        json!({ "total": 1, "created": 1, "skipped": 0 })
    );

    let found = tess
        .data(r#"{ group(organization: "acme", slug: "shop") { vulnerabilities { edges { node { id version } } } } }"#, json!({}))
        .await;
    let node = &found["group"]["vulnerabilities"]["edges"][0]["node"];
    let close = "mutation($id: ID!, $version: Int) { closeVulnerability(input: { id: $id, closedReason: OUT_OF_SCOPE, reason: \"a demo\", expectedVersion: $version }) {
        vulnerability { state closedReason version history { edges { node { reason events { name } } } } } } }";
    assert_eq!(
        tess.code(close, json!({ "id": node["id"], "version": 7 }))
            .await,
        "store.conflict"
    );
    let closed = tess
        .data(
            close,
            json!({ "id": node["id"], "version": node["version"] }),
        )
        .await;
    let closed = &closed["closeVulnerability"]["vulnerability"];
    assert_eq!(closed["closedReason"], "OUT_OF_SCOPE");
    assert_eq!(
        closed["history"]["edges"][1]["node"],
        json!({ "reason": "a demo", "events": [{ "name": "closed" }] })
    );
    assert_eq!(
        tess.code(close, json!({ "id": node["id"] })).await,
        "vulnerability.not_open"
    );
    let reopen = "mutation($id: ID!) { reopenVulnerability(input: { id: $id }) { vulnerability { state } } }";
    let reopened = tess.data(reopen, json!({ "id": node["id"] })).await;
    assert_eq!(
        reopened["reopenVulnerability"]["vulnerability"]["state"],
        "OPEN"
    );
    let tag = "mutation($id: ID!) { tagVulnerability(input: { id: $id, add: [\"Team A\"], remove: [\"y\"] }) { vulnerability { tags } } }";
    let tagged = tess.data(tag, json!({ "id": node["id"] })).await;
    assert_eq!(
        tagged["tagVulnerability"]["vulnerability"]["tags"],
        json!(["lang-pkgs", "npm", "team a"])
    );
    let comment = "mutation($id: ID!, $parent: ID) { addComment(input: { vulnerability: $id, text: \"seen\", parent: $parent }) { comment { id parent author { name } } vulnerability { comments { totalCount { value } } } } }";
    let first = tess.data(comment, json!({ "id": node["id"] })).await;
    let first = &first["addComment"]["comment"];
    assert_eq!(first["author"]["name"], "tess");
    let second = tess
        .data(comment, json!({ "id": node["id"], "parent": first["id"] }))
        .await;
    assert_eq!(
        second["addComment"]["vulnerability"]["comments"]["totalCount"]["value"],
        2
    );
}

#[tokio::test]
async fn an_owner_makes_groups_and_assets_and_sets_policies() {
    let place = Place::new().await;
    let olga = place
        .actor("olga", Resource::Organization(place.acme.id), Role::Owner)
        .await;
    let create = "mutation($org: ID!, $slug: String!) { createGroup(input: { organization: $org, slug: $slug, name: \"Api\" }) { group { id version policy { reviewNew closeMissing } } } }";
    let org = place.acme.id.to_string();
    let made = olga
        .data(create, json!({ "org": org, "slug": "api" }))
        .await;
    let group = &made["createGroup"]["group"];
    assert_eq!(
        group["policy"],
        json!({ "reviewNew": false, "closeMissing": true })
    );
    assert_eq!(
        olga.code(create, json!({ "org": org, "slug": "api" }))
            .await,
        "group.exists"
    );
    assert_eq!(
        olga.code(create, json!({ "org": org, "slug": "A P I" }))
            .await,
        "slug.malformed"
    );

    let policy = "mutation($org: ID!, $policy: PolicyInput!) { updateOrganization(input: { id: $org, policy: $policy }) { organization { policy { reviewNew keepReportsDays } } } }";
    let set = olga
        .data(
            policy,
            json!({ "org": org, "policy": { "reviewNew": true, "keepReportsDays": 30 } }),
        )
        .await;
    assert_eq!(
        set["updateOrganization"]["organization"]["policy"],
        json!({ "reviewNew": true, "keepReportsDays": 30 })
    );
    let kept = olga
        .data(
            policy,
            json!({ "org": org, "policy": { "keepReportsDays": null } }),
        )
        .await;
    assert_eq!(
        kept["updateOrganization"]["organization"]["policy"],
        json!({ "reviewNew": true, "keepReportsDays": null })
    );
    let update = "mutation($id: ID!, $version: Int) { updateGroup(input: { id: $id, name: \"API\", policy: { reviewNew: false }, expectedVersion: $version }) { group { name version policy { reviewNew } ownPolicy { reviewNew } } } }";
    let changed = olga
        .data(update, json!({ "id": group["id"], "version": 1 }))
        .await;
    assert_eq!(
        changed["updateGroup"]["group"],
        json!({ "name": "API", "version": 2, "policy": { "reviewNew": false }, "ownPolicy": { "reviewNew": false } })
    );

    let asset = "mutation($group: ID!) { createAsset(input: { group: $group, name: \"web\", kind: URL, tags: [\"B\", \"a\"], defaultRef: \"trunk\" }) { asset { id kind tags criticality defaultRef { name } refs { totalCount { value } } } } }";
    let made = olga.data(asset, json!({ "group": group["id"] })).await;
    let made = &made["createAsset"]["asset"];
    assert_eq!(made["tags"], json!(["a", "b"]));
    assert_eq!(made["defaultRef"]["name"], "trunk");
    assert_eq!(
        olga.code(asset, json!({ "group": group["id"] })).await,
        "asset.exists"
    );
    let update = "mutation($id: ID!, $ref: ID) { updateAsset(input: { id: $id, criticality: HIGH, internetFacing: true, defaultRef: $ref }) { asset { criticality internetFacing version } } }";
    let changed = olga.data(update, json!({ "id": made["id"] })).await;
    assert_eq!(
        changed["updateAsset"]["asset"],
        json!({ "criticality": "HIGH", "internetFacing": true, "version": 2 })
    );
    let foreign = "ref_00000000000000000000000000000001";
    assert_eq!(
        olga.code(update, json!({ "id": made["id"], "ref": foreign }))
            .await,
        "ref.of_other_asset"
    );
}

#[tokio::test]
async fn another_default_ref_decides_anew() {
    let place = Place::new().await;
    let system = place.world.system();
    for (name, cves) in [
        ("main", vec![("CVE-2024-0001", "a", "1")]),
        ("next", vec![("CVE-2024-0002", "b", "1")]),
    ] {
        let upload = UploadReport {
            asset: "web".to_owned(),
            r#ref: Some(name.to_owned()),
            ..UploadReport::default()
        };
        place
            .world
            .import(&system, &place.shop, upload, trivy("p.json", &cves))
            .await;
    }
    let mona = place.actor("mona", place.in_shop(), Role::Manager).await;
    let query = r#"{ group(organization: "acme", slug: "shop") { assets { edges { node { id refs { edges { node { id name } } } } } }
        overview { open closed }
        vulnerabilities(filter: { states: [OPEN] }) { edges { node { identifiers } } } } }"#;
    let before = mona.data(query, json!({})).await;
    assert_eq!(
        before["group"]["vulnerabilities"]["edges"],
        json!([{ "node": { "identifiers": ["CVE-2024-0001"] } }])
    );
    let asset = &before["group"]["assets"]["edges"][0]["node"];
    let next = &asset["refs"]["edges"][1]["node"];
    assert_eq!(next["name"], "next");
    let update = "mutation($id: ID!, $ref: ID) { updateAsset(input: { id: $id, defaultRef: $ref }) { asset { defaultRef { name } } } }";
    mona.data(update, json!({ "id": asset["id"], "ref": next["id"] }))
        .await;
    place.world.run_jobs().await.expect("settles");
    let after = mona.data(query, json!({})).await;
    assert_eq!(
        after["group"]["vulnerabilities"]["edges"],
        json!([{ "node": { "identifiers": ["CVE-2024-0002"] } }])
    );
    assert_eq!(after["group"]["overview"]["open"], 1);
}

#[tokio::test]
async fn access_is_given_and_taken() {
    let place = Place::new().await;
    let olga = place
        .actor("olga", Resource::Organization(place.acme.id), Role::Owner)
        .await;
    let invite = "mutation($place: ID!) { invite(input: { place: $place, role: READER, email: \"Rita@example.com\" }) { link invitation { id role email } } }";
    let made = olga
        .data(invite, json!({ "place": place.shop.id.to_string() }))
        .await;
    assert_eq!(made["invite"]["invitation"]["email"], "rita@example.com");
    assert!(
        made["invite"]["link"]
            .as_str()
            .is_some_and(|link| link.starts_with("http://127.0.0.1:8080/invitations/"))
    );
    let open = r#"{ group(organization: "acme", slug: "shop") { invitations { edges { node { id } } } } }"#;
    assert_eq!(
        olga.data(open, json!({})).await["group"]["invitations"]["edges"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let revoke = "mutation($id: ID!) { revokeInvitation(id: $id) { done } }";
    olga.data(revoke, json!({ "id": made["invite"]["invitation"]["id"] }))
        .await;
    assert_eq!(
        olga.data(open, json!({})).await["group"]["invitations"]["edges"],
        json!([])
    );

    let rita = place.actor("rita", place.in_shop(), Role::Reader).await;
    let me = rita.data("{ viewer { user { id } } }", json!({})).await;
    let user = &me["viewer"]["user"]["id"];
    let role = "mutation($place: ID!, $user: ID!) { setRole(input: { place: $place, user: $user, role: TRIAGER }) { role } }";
    let shop = place.shop.id.to_string();
    assert_eq!(
        rita.code(role, json!({ "place": shop, "user": user }))
            .await,
        "auth.forbidden"
    );
    assert_eq!(
        olga.data(role, json!({ "place": shop, "user": user }))
            .await["setRole"]["role"],
        "TRIAGER"
    );
    let remove = "mutation($place: ID!, $user: ID!) { removeMember(input: { place: $place, user: $user }) { done } }";
    olga.data(remove, json!({ "place": shop, "user": user }))
        .await;
    assert_eq!(
        rita.code(
            r#"{ group(organization: "acme", slug: "shop") { id } }"#,
            json!({})
        )
        .await,
        "not_found"
    );
    let myself = olga.data("{ viewer { user { id } } }", json!({})).await;
    let leave =
        json!({ "place": place.acme.id.to_string(), "user": myself["viewer"]["user"]["id"] });
    assert_eq!(olga.code(remove, leave).await, "member.last_owner");

    let token = "mutation($group: ID!, $expires: DateTime!) { createGroupToken(input: { group: $group, role: CI, name: \"pipeline\", scopes: [\"report.upload\", \"group.read\"], expires: $expires }) { secret token { id role scopes } } }";
    let expires = place.world.system().now().plus_days(10).to_string();
    let made = olga
        .data(token, json!({ "group": shop, "expires": expires }))
        .await;
    let mut pipeline = place.anonymous();
    pipeline.token = made["createGroupToken"]["secret"]
        .as_str()
        .map(gna_domain::secret::Secret::new);
    let group = r#"query { organization(slug: "acme") { group(slug: "shop") { slug assets { edges { node { id } } } } } }"#;
    assert_eq!(
        pipeline.code(group, json!({})).await,
        "auth.forbidden",
        "assets are not in its scopes"
    );
    let revoke = "mutation($id: ID!) { revokeToken(id: $id) { done } }";
    olga.data(
        revoke,
        json!({ "id": made["createGroupToken"]["token"]["id"] }),
    )
    .await;
    let (status, _) = pipeline
        .send(
            "application/json",
            json!({ "query": "{ viewer { actor } }" }).to_string(),
        )
        .await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_report_tells_how_far_it_has_come() {
    let place = Place::new().await;
    let api = Api::new(&place.state);
    let ci = place.world.member(&place.shop, Role::Ci);
    let upload = UploadReport {
        asset: "web".to_owned(),
        ..UploadReport::default()
    };
    let bytes = trivy("p.json", &[("CVE-2024-0001", "a", "1")]);
    let queued = report::upload(&ci, place.shop.id, upload, bytes.into())
        .await
        .expect("is taken");
    let follow = async |ctx| {
        let query = format!(
            "subscription {{ reportProgress(id: \"{}\") {{ status group {{ slug }} counts {{ created }} }} }}",
            queued.id
        );
        let caller = Caller {
            ctx,
            session: None,
            user: None,
        };
        let request = axum::http::Request::get("/api").extension(caller);
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let data = Socket::open(place.state.clone(), parts, &json!({}))
            .await
            .expect("opens");
        api.execute_stream(Request::new(query), Some(Arc::new(data)))
    };
    let stream = follow(ci.clone()).await;
    let mut statuses = stream.map(|response| {
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.into_json().expect("writes as JSON")["reportProgress"].clone()
    });
    // First as it stands, before anything happens to it.
    let first = statuses.next().await.expect("is told");
    assert_eq!(first["status"], "QUEUED");
    let (told, done) = tokio::join!(statuses.collect::<Vec<Value>>(), place.world.run_jobs());
    done.expect("imports");
    assert_eq!(
        told.last(),
        Some(
            &json!({ "status": "COMPLETE", "group": { "slug": "shop" }, "counts": { "created": 1 } })
        )
    );
    let stranger = place.world.member(&place.den, Role::Manager);
    let refused: Vec<_> = follow(stranger).await.collect().await;
    let code = refused[0].errors[0]
        .extensions
        .as_ref()
        .and_then(|values| values.get("code"));
    assert_eq!(code, Some(&"not_found".into()));
}

#[tokio::test]
async fn an_administrator_lets_somebody_try_to_sign_in_again() {
    let place = Place::new().await;
    let root = place
        .actor("root", Resource::Instance, Role::InstanceAdmin)
        .await;
    let olga = place
        .actor("olga", Resource::Organization(place.acme.id), Role::Owner)
        .await;
    let guess = || async {
        let input = SignIn {
            email: "olga@example.com".to_owned(),
            password: Secret::new("wrong horse battery"),
            origin: Origin::default(),
        };
        let refused = sign_in(&place.world.anonymous(), input).await;
        refused.expect_err("is wrong").code()
    };
    for _ in 0..PER_ACCOUNT {
        assert_eq!(guess().await, "auth.wrong");
    }
    assert_eq!(guess().await, "auth.throttled");

    let found = "query($email: String!) { userByEmail(email: $email) { id } }";
    let found = root
        .data(found, json!({ "email": "olga@example.com" }))
        .await;
    let id = &found["userByEmail"]["id"];
    let unlock = "mutation($user: ID!) { unlockUser(user: $user) { user { email } } }";
    let variables = json!({ "user": id });
    assert_eq!(olga.code(unlock, variables.clone()).await, "not_found");
    assert_eq!(guess().await, "auth.throttled");
    for _ in 0..2 {
        let unlocked = root.data(unlock, variables.clone()).await;
        assert_eq!(unlocked["unlockUser"]["user"]["email"], "olga@example.com");
    }
    assert_eq!(guess().await, "auth.wrong");
}
