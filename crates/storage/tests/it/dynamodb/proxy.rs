//! A fake way to the engine, which does harm: it cuts connections, loses answers, or says that it is
//! being asked too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to requests: of so many, one. 0 is none.
#[derive(Default)]
pub struct Harm {
    pub throttled: AtomicU64,
    pub cut_before: AtomicU64,
    pub cut_after: AtomicU64,
    asked: AtomicU64,
    pub done: AtomicU64,
}

enum Fate {
    Pass,
    Throttle,
    CutBefore,
    CutAfter,
}

impl Harm {
    fn fate(&self) -> Fate {
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        let hit = |of: &AtomicU64| {
            let of = of.load(Ordering::SeqCst);
            of > 0 && n % of == of - 1
        };
        let fate = if hit(&self.throttled) {
            Fate::Throttle
        } else if hit(&self.cut_before) {
            Fate::CutBefore
        } else if hit(&self.cut_after) {
            Fate::CutAfter
        } else {
            return Fate::Pass;
        };
        self.done.fetch_add(1, Ordering::SeqCst);
        fate
    }
}

/// Listens on a port of its own as long as the runtime runs; answers the port.
pub async fn fake_way(to: String, harm: Arc<Harm>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (to, harm) = (to.clone(), Arc::clone(&harm));
            tokio::spawn(async move {
                // An error ends the connection, as it would on the way.
                let _ = pass(client, &to, &harm).await;
            });
        }
    });
    port
}

async fn pass(mut client: TcpStream, to: &str, harm: &Harm) -> std::io::Result<()> {
    let mut engine = TcpStream::connect(to).await?;
    loop {
        let Some(request) = message(&mut client).await? else {
            return Ok(());
        };
        match harm.fate() {
            Fate::CutBefore => return Ok(()),
            Fate::Throttle => {
                let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"invented"}"#;
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                client.write_all(answer.as_bytes()).await?;
            }
            Fate::CutAfter => {
                engine.write_all(&request).await?;
                message(&mut engine).await?;
                return Ok(());
            }
            Fate::Pass => {
                engine.write_all(&request).await?;
                let Some(answer) = message(&mut engine).await? else {
                    return Ok(());
                };
                client.write_all(&answer).await?;
            }
        }
    }
}

/// One request or answer with its body; `None` at the end of the connection.
async fn message(from: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    let mut some = vec![0; 64 * 1_024];
    loop {
        if let Some(end) = read.windows(4).position(|at| at == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if read.len() >= end + 4 + length {
                return Ok(Some(read));
            }
        }
        match from.read(&mut some).await? {
            0 => return Ok(None),
            n => read.extend_from_slice(&some[..n]),
        }
    }
}
