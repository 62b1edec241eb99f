//! The same story with what the template deploys: a store on a server, reports in a bucket, the key in the
//! environment, and nothing on the machine. S3 is a SUBSTITUTE here (`moto`, PyPI), and so is DynamoDB
//! (Amazon's DynamoDB Local). Skipped where one of them can't be had.

#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "postgres")]
use gna_storage::conformance::postgres;

use serde_json::{Value, json};

use super::events::{gateway, tick};
use super::function::Function;
use super::{body, counted, prepared, status, story};
use crate::moto::Moto;
use crate::run::sample;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A service's region and name, as requests to it are signed.
const S3: &str = "us-east-1/s3";

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn events_are_answered_on_postgres_and_a_bucket() {
    let Some(place) = postgres::Place::fresh() else {
        return;
    };
    deployed(&place.url, None).await;
}

/// With an index of the instance's own, since a table holds none.
#[cfg(feature = "dynamodb")]
#[tokio::test(flavor = "multi_thread")]
async fn events_are_answered_on_a_table_and_a_bucket() {
    let Some(place) = dynamodb::Place::unmade() else {
        return;
    };
    // The one folder that a function may write to.
    let folder = tempfile::tempdir_in("/tmp").expect("folder");
    let search = format!("sqlite:{}", folder.path().join("search.db").display());
    deployed(&place.url, Some(search.as_str())).await;
}

async fn deployed(url: &str, search: Option<&str>) {
    let Some(s3) = Moto::start() else { return };
    s3.ask(S3, "PUT /gna-reports", "", "");
    let endpoint = format!("http://127.0.0.1:{}", s3.port);
    let mut settings: Vec<(&str, &str)> = vec![
        ("GNA_STORE__URL", url),
        ("GNA_BLOBS__URL", "s3://gna-reports/functions"),
        ("GNA_KEYRING__KIND", "env"),
        ("GNA_KEYRING__KEY", KEY),
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "invented"),
        ("AWS_SECRET_ACCESS_KEY", "invented"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    // Commands beside it need no index of their own.
    let mut beside = settings.clone();
    if let Some(search) = search {
        settings.push(("GNA_STORE__SEARCH", search));
        beside.push(("GNA_STORE__SEARCH", "memory:"));
    }
    let folder = tempfile::tempdir().expect("folder");
    let token = prepared(folder.path(), &beside);
    let function = Function::start_with_fake(folder.path(), &settings).await;
    story(&function, &token).await;
    in_two_steps(&function, &token).await;
    function.end();
    counted(folder.path(), &beside);

    let listed = s3.ask(S3, "GET /gna-reports?list-type=2", "", "");
    assert!(listed.contains("<Key>functions/reports/"), "{listed}");
    for name in ["gna.db", "gna.keys", "blobs"] {
        let here = folder.path().join("gna-data").join(name);
        assert!(!here.exists(), "{name} is on this machine");
    }
}

/// A report that would be too large for an event goes straight to the bucket.
async fn in_two_steps(function: &Function, token: &str) {
    let ask = |method: &str, path: &str, query: &str| {
        let mut event = gateway(method, path, query);
        event["headers"]["authorization"] = json!(format!("Bearer {token}"));
        event
    };
    let mut begin = ask("POST", "/api/v2/uploads", "");
    begin["headers"]["content-type"] = json!("application/json");
    begin["body"] = json!(json!({ "organization": "acme", "group": "shop" }).to_string());
    begin["isBase64Encoded"] = json!(false);
    let begun = function.ask(&begin).await;
    assert_eq!(status(&begun), 201, "{begun}");
    let begun: Value = body(&begun);
    let url = begun["url"].as_str().expect("an address");
    assert!(url.contains("/functions/uploads/org_") && url.contains("X-Amz-Signature="));
    assert_eq!(
        (&begun["method"], &begun["headers"]),
        (&json!("PUT"), &json!({}))
    );

    let http = reqwest::Client::builder().no_proxy().build();
    let report = std::fs::read(sample("trivy.json")).expect("a sample");
    let sent = http.expect("a client").put(url).body(report).send().await;
    assert_eq!(sent.expect("is sent").status(), 200);
    let query = format!(
        "organization=acme&group=shop&asset=two-steps&upload={}",
        begun["id"].as_str().expect("an id")
    );
    let register = ask("POST", "/api/v2/reports", &query);
    let taken = function.ask(&register).await;
    assert_eq!(status(&taken), 202, "{taken}");
    let taken = body(&taken);
    function.ask(&tick()).await;
    let path = format!("/api/v2/reports/{}", taken["id"].as_str().expect("an id"));
    let shown = function.ask(&ask("GET", &path, "")).await;
    assert_eq!(body(&shown)["status"], "COMPLETE", "{shown}");
    let again = body(&function.ask(&register).await);
    assert_eq!(again["id"], taken["id"], "{again}");
}
