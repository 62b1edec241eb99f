//! Notices in chats and incidents of pagers, against answers of our own invention.

use super::workplace::Workplace;
use super::*;
use std::sync::Mutex;

#[tokio::test]
async fn a_message_is_posted_once_for_each_that_opens_on_invented_answers_of_each_chat() {
    for (module, config) in [
        ("slack", json!({"channel": "C1", "min_severity": "LOW"})),
        (
            "microsoft-teams",
            json!({"team": "T1", "channel": "C1", "min_severity": "LOW"}),
        ),
        ("google-chat", json!({"min_severity": "LOW"})),
    ] {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let there = Arc::clone(&posted);
        let workplace = Workplace::new(move |asked| {
            assert_eq!(asked.method, "POST", "{}", asked.path);
            there.lock().expect("a lock").push(asked.body.to_string());
            (
                200,
                json!({"ok": true, "ts": "1.2", "id": "m", "name": "spaces/AAA/messages/m"}),
            )
        })
        .await;
        let of = workplace.made("chat-notice", &[module], config).await;
        workplace.scan(&["rule-1"]).await;
        workplace.scan(&["rule-1"]).await;
        {
            let posted = posted.lock().expect("a lock");
            assert_eq!(posted.len(), 1, "{module} {posted:?}");
            assert!(
                posted[0].contains("Problem rule-1 in api"),
                "{module} {posted:?}"
            );
        }
        let many: Vec<String> = (2..40).map(|number| format!("rule-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        workplace.scan(&many).await;
        {
            let posted = posted.lock().expect("a lock");
            assert_eq!(posted.len(), 12, "{module}: ten of them and how many more");
            assert!(posted[11].contains("28 more"), "{module} {}", posted[11]);
        }
        workplace.world.clock.advance_millis(60_000);
        workplace.scan(&["rule-1"]).await;
        let again = posted.lock().expect("a lock").len();
        assert_eq!(again, 13, "{module}: what opens again is told again");
        let test = integration::act(
            &workplace.olga,
            workplace.apps.as_ref(),
            workplace.recipes.as_ref(),
            of.id,
            "SEND_TEST",
            &Value::Null,
        );
        test.await.expect("is sent");
        assert_eq!(posted.lock().expect("a lock").len(), 14, "{module}");
    }
}

#[tokio::test]
async fn a_message_that_an_invented_chat_refuses_keeps_no_other_and_is_told_when_it_is_taken() {
    let posted = Arc::new(Mutex::new(Vec::new()));
    let refuses = Arc::new(Mutex::new(true));
    let (there, refusing) = (Arc::clone(&posted), Arc::clone(&refuses));
    let workplace = Workplace::new(move |asked| {
        let said = asked.body.to_string();
        if *refusing.lock().expect("a lock") && said.contains("Problem rule-2 in") {
            return (200, json!({"ok": false, "error": "restricted_action"}));
        }
        there.lock().expect("a lock").push(said);
        (200, json!({"ok": true, "ts": "1.2"}))
    })
    .await;
    let config = json!({"channel": "C1", "min_severity": "LOW"});
    let of = workplace.made("chat-notice", &["slack"], config).await;
    workplace
        .report(&["rule-1", "rule-2", "rule-3", "rule-4"])
        .await;
    let refused = workplace.world.run_jobs().await;
    assert_eq!(refused.expect_err("is told").code(), "app.refused");
    let told = |rule: &str| {
        let posted = posted.lock().expect("a lock");
        let of_rule = posted.iter().filter(|said| said.contains(rule));
        of_rule.count()
    };
    for (rule, times) in [("rule-1", 1), ("rule-2", 0), ("rule-3", 1), ("rule-4", 1)] {
        assert_eq!(told(rule), times, "{rule}");
    }
    assert_eq!(workplace.now(&of).await.messages.errors.len(), 1);
    // Done again, it tells what was refused and nothing twice.
    *refuses.lock().expect("a lock") = false;
    workplace.world.clock.advance_millis(3_600_000);
    workplace.work().await;
    for rule in ["rule-1", "rule-2", "rule-3", "rule-4"] {
        assert_eq!(told(rule), 1, "{rule}");
    }
    assert_eq!(workplace.now(&of).await.messages.errors.len(), 0);
}

#[tokio::test]
async fn an_invented_pager_hears_of_each_vulnerability_when_it_opens_and_when_it_closes() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&heard);
    let workplace = Workplace::new(move |asked| {
        let event = asked.body["event_action"].as_str().unwrap_or_default();
        let severity = asked.body["payload"]["severity"]
            .as_str()
            .unwrap_or_default();
        let mut heard = there.lock().expect("a lock");
        heard.push(format!("{event} {severity}"));
        (
            202,
            json!({"status": "success", "dedup_key": asked.body["dedup_key"]}),
        )
    })
    .await;
    workplace
        .made("paging", &["pagerduty"], json!({"min_severity": "MEDIUM"}))
        .await;
    workplace.scan(&["rule-1"]).await;
    workplace.scan(&[]).await;
    workplace.scan(&["rule-1"]).await;
    let heard = heard.lock().expect("a lock").clone();
    assert_eq!(heard, ["trigger warning", "resolve ", "trigger warning"]);
}
