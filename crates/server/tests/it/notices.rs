//! `gna serve` sends notices to a mail server on this machine (the package `aiosmtpd` from PyPI), which
//! wants a password and refuses the first letter for the moment. Skipped where it can't be had.

use crate::server::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(90);

/// Tells each letter as a line.
const SINK: &str = r#"
import email, json, sys, time
from email import policy
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

class Sink:
    refused = False
    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=policy.default)
        body = letter.get_body(("plain",)).get_content()
        html = letter.get_body(("html",)).get_content()
        answer = "250 OK" if Sink.refused else "451 come again"
        print(json.dumps({"to": envelope.rcpt_tos, "headers": dict(letter.items()), "text": body, "html": html, "answer": answer}), flush=True)
        Sink.refused = True
        return answer

def known(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"gna" and data.password == b"mail-password-1")

sink = Controller(Sink(), hostname="127.0.0.1", port=int(sys.argv[1]), authenticator=known, auth_required=True, auth_require_tls=False)
sink.start()
print(json.dumps({"ready": True}), flush=True)
time.sleep(600)
"#;

/// The mail server; killed with the test.
struct Sink {
    child: Child,
    lines: Receiver<Value>,
}

impl Sink {
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let packages = folder.join("packages");
        let installed = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--target"])
            .arg(&packages)
            .arg("aiosmtpd")
            .output();
        if !installed.is_ok_and(|installed| installed.status.success()) {
            eprintln!("SKIPPED: there is no python3 here, or pip can't get aiosmtpd");
            return None;
        }
        std::fs::write(folder.join("sink.py"), SINK).expect("writes");
        let mut child = Command::new("python3")
            .arg("sink.py")
            .arg(port.to_string())
            .current_dir(folder)
            .env("PYTHONPATH", &packages)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let out = child.stdout.take().expect("piped");
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let told = serde_json::from_str(&line).expect("JSON");
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
        let sink = Self { child, lines };
        assert_eq!(sink.next()["ready"], true);
        Some(sink)
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(WAIT).expect("a letter")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn graphql(server: &Server, bearer: &str, query: &str, variables: Value) -> Value {
    let headers = [
        ("Authorization", bearer),
        ("Content-Type", "application/json"),
    ];
    let body = json!({ "query": query, "variables": variables }).to_string();
    let (_, answer) = server.send("POST", "/api", &headers, &body);
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let answer: Value = serde_json::from_str(body).expect("JSON");
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

#[test]
fn who_becomes_responsible_gets_a_letter_and_unsubscribes_with_one_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a port").port();
    let Some(sink) = Sink::start(folder, port) else {
        return;
    };
    let own = folder.join("letters");
    std::fs::create_dir(&own).expect("makes");
    std::fs::write(
        own.join("notice.subject.txt"),
        "[own] {{ notices[0].title }}\n",
    )
    .expect("writes");
    let settings = format!(
        "[mail]\nserver = \"127.0.0.1:{port}\"\nsecurity = \"none\"\nuser = \"gna\"\npassword = \"mail-password-1\"\n\
         from = \"Gna <gna@example.com>\"\ntemplates = \"letters\"\n[log]\nlevel = \"debug\"\n"
    );
    std::fs::write(folder.join("gna.toml"), settings).expect("writes");
    let log = folder.join("server.log");
    let server = Server::start_logging_with(folder, &log, &["--demo"]);
    let bearer = format!(
        "Bearer {}",
        server.first["token"].as_str().expect("a token")
    );
    let known = graphql(
        &server,
        &bearer,
        "{ viewer { user { id email } } }",
        json!({}),
    );
    let me = &known["viewer"]["user"];
    let list = server.send(
        "GET",
        "/api/v2/vulnerabilities?first=1",
        &[("Authorization", &bearer)],
        "",
    );
    let list: Value =
        serde_json::from_str(list.1.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    let title = list["items"][0]["finding"]["name"]
        .as_str()
        .expect("a title");
    let input = json!({ "id": list["items"][0]["id"], "assignee": me["id"] });
    graphql(
        &server,
        &bearer,
        "mutation($input: AssignVulnerabilityInput!) { assignVulnerability(input: $input) { vulnerability { id } } }",
        json!({ "input": input }),
    );

    let (first, second) = (sink.next(), sink.next());
    assert_eq!(
        (&first["answer"], &second["answer"]),
        (&json!("451 come again"), &json!("250 OK"))
    );
    let head = &second["headers"];
    assert_eq!(first["headers"]["Message-ID"], head["Message-ID"]);
    assert_eq!(second["to"][0], me["email"]);
    assert_eq!(head["From"], "Gna <gna@example.com>");
    assert_eq!(head["Subject"], format!("[own] {title}"));
    assert_eq!(head["Auto-Submitted"], "auto-generated");
    for part in ["text", "html"] {
        let text = second[part].as_str().expect("a text");
        assert!(text.contains("You are responsible"), "{part}: {text}");
    }

    // As a mail program does it.
    assert_eq!(head["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    let address = head["List-Unsubscribe"].as_str().expect("an address");
    let address = address
        .trim_matches(['<', '>'])
        .replace([' ', '\n', '\r'], "");
    let path = address.strip_prefix(server.url()).expect("on this server");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let (status, said) = server.send("POST", path, &form, "List-Unsubscribe=One-Click");
    assert_eq!(status, 204, "{said}");
    let own = server.send(
        "GET",
        "/api/v2/notices/preferences",
        &[("Authorization", &bearer)],
        "",
    );
    assert!(own.1.contains("\"muted\":true"), "{}", own.1);
    assert_eq!(server.stop(), Some(0));
    let said = std::fs::read_to_string(&log).expect("reads");
    assert!(!said.contains("mail-password-1"));
}
