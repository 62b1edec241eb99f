//! A mail server is connected, tested, written through and lost, by the module that is shipped.

use super::*;
use gna_domain::connect::ConnectedEntity;
use gna_domain::policy::Role;
use gna_domain::port::apps::{Apps, Ask};
use gna_domain::rules::address::AllowList;
use gna_domain::service::connect::authorize::{Complete, Completed, complete};
use gna_domain::service::connect::entity;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::{Catalogue, Signer};
use gna_testkit::World;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const RIGHT: &str = "right-hunter2";

#[derive(Default)]
struct State {
    /// The only password that is known.
    password: String,
    letters: Vec<String>,
}

/// A mail server of this test's own making: one user, no encryption, and no letters for `refused@`.
struct InventedServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl InventedServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State {
            password: RIGHT.to_owned(),
            letters: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever goes away in the middle has said all that it wanted.
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    fn knows(&self, password: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.password = password.to_owned();
    }

    fn letters(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.letters.clone()
    }
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 invented ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.split(' ').next().unwrap_or_default();
        let reply = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-invented\r\n250 AUTH PLAIN",
            "AUTH" => {
                let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let known = STANDARD.encode(format!("\0gna\0{}", state.password));
                match line.ends_with(&known) {
                    true => "235 welcome",
                    false => "535 who are you?",
                }
            }
            "RCPT" if line.contains("refused@") => "550 nobody here is called so",
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 well",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut letter = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    letter.push_str(&line);
                    letter.push('\n');
                }
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.letters.push(letter);
                "250 kept"
            }
            "QUIT" => "221 bye",
            _ => "502 what?",
        };
        write.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn client(world: &World, policy: TargetPolicy) -> AppClient {
    let smtp = Catalogue::shipped().expect("they load");
    let smtp = smtp.by_name("smtp").expect("is shipped").module.clone();
    let ports = AppPorts {
        store: world.ports.store.clone(),
        clock: world.ports.clock.clone(),
        ids: world.ports.ids.clone(),
        egress: Arc::new(MailEgress::new(world.ports.egress.clone(), policy)),
        vault: world.ports.vault.clone(),
        signer: Arc::new(Signer),
    };
    AppClient::new(ports, [smtp], BTreeMap::new(), "https://gna.example")
}

#[tokio::test]
async fn a_mail_server_is_connected_with_the_right_password_only_and_takes_letters() {
    let server = InventedServer::start().await;
    let world = World::new().await;
    let acme = world.organization("acme").await;
    let mia = world.in_organization(&acme, Role::Member);
    let form = |password: &str| Complete {
        organization: acme.id,
        module: "smtp".to_owned(),
        shared: false,
        state: None,
        entity: None,
        data: json!({
            "host": "127.0.0.1", "port": server.port, "security": "none",
            "from": "gna@acme.example", "username": "gna", "password": password,
        }),
    };
    // A server within is for whom the operator opened its network.
    let guarded = client(&world, TargetPolicy::default());
    let refused = complete(&mia, &guarded, form(RIGHT)).await;
    assert_eq!(refused.expect_err("is refused").code(), "egress.refused");
    let apps = client(
        &world,
        TargetPolicy {
            allowed: AllowList::parse(&["127.0.0.1"]).expect("a network"),
            ports: Vec::new(),
            http_anywhere: false,
        },
    );
    let wrong = complete(&mia, &apps, form("wrong-hunter2")).await;
    let wrong = wrong.expect_err("is refused");
    assert_eq!(wrong.code(), "app.unauthorized");
    assert!(!wrong.message().contains("hunter2"), "{wrong}");
    let done = complete(&mia, &apps, form(RIGHT)).await.expect("connects");
    let Completed::Connected(connected) = done else {
        panic!("one form");
    };
    let account: ConnectedEntity = connected.entity;
    assert_eq!(account.name, "gna@acme.example");
    entity::test(&mia, &apps, account.id).await.expect("works");
    assert!(server.letters().is_empty(), "a test sends nothing");

    let send = |to: &str| Ask::Operation {
        name: "send",
        input: json!({
            "to": to, "subject": "A finding\r\nBcc: eve@evil.example", "text": "It is yours.", "id": "fnd_1<>",
        }),
        page: None,
    };
    apps.call(&account, send("ada@acme.example"))
        .await
        .expect("is sent");
    let letters = server.letters();
    let [letter] = letters.as_slice() else {
        panic!("one letter: {letters:?}");
    };
    for part in [
        "To: ada@acme.example",
        "From: gna@acme.example",
        "Subject: A finding",
        "Message-ID: <fnd_1@acme.example>",
        "It is yours.",
    ] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    assert!(!letter.contains("\nBcc"), "{letter}");
    for to in ["refused@acme.example", "no address"] {
        let refused = apps.call(&account, send(to)).await;
        assert_eq!(
            refused.expect_err("is refused").code(),
            "app.refused",
            "{to}"
        );
    }
    assert_eq!(server.letters().len(), 1);

    // Another password there: the connection waits for a person, and heals by itself if it works again.
    server.knows("another-hunter2");
    let lost = entity::test(&mia, &apps, account.id).await;
    assert_eq!(lost.expect_err("is lost").code(), "credential.reconnect");
    server.knows(RIGHT);
    entity::test(&mia, &apps, account.id)
        .await
        .expect("works again");
}
