//! What an event is, by its form. Forms: AWS Lambda developer guide, "Invoking with events from other
//! services"; one that is none of them is refused by name.

use aws_lambda_events::alb::AlbTargetGroupRequest;
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::sqs::SqsEvent;
use gna_domain::error::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::http::Request;

/// One event.
#[derive(Debug)]
pub enum Event {
    /// A request: API Gateway (payload 2.0), a Function URL, or an application load balancer.
    Http(Box<Request>),
    /// Messages of a queue (SQS).
    Queue(SqsEvent),
    /// Changes of a table (DynamoDB Streams): the store's own, which wake whoever follows its feed.
    Stream { first: Option<String> },
    /// A rule or schedule of EventBridge: time to look for what is due.
    Tick,
    /// A function by its name.
    Call(Call),
}

/// `{"function": "store.tidy", "event": {"feed_days": 30}}`, by whoever may invoke the function or
/// send to its queue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub function: String,
    #[serde(default = "empty")]
    pub event: Value,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Event {
    /// # Errors
    /// `lambda.event`, saying what was expected; nothing of the event is in the message.
    pub fn read(event: Value) -> Result<Self> {
        let context = &event["requestContext"];
        if context["http"].is_object() {
            let request: ApiGatewayV2httpRequest = typed(event, "an HTTP request of payload 2.0")?;
            return Ok(Self::Http(Box::new(Request::of_gateway(request))));
        }
        if context["elb"].is_object() {
            let request: AlbTargetGroupRequest = typed(event, "a request of a load balancer")?;
            return Ok(Self::Http(Box::new(Request::of_balancer(request))));
        }
        if context.is_object() {
            return Err(refused(
                "a request of a REST API or a WebSocket API; use an HTTP API with payload 2.0, a Function URL or a load balancer",
            ));
        }
        if let Some(records) = event["Records"].as_array() {
            return match records.first().and_then(|one| one["eventSource"].as_str()) {
                Some("aws:sqs") => Ok(Self::Queue(typed(event, "messages of a queue")?)),
                Some("aws:dynamodb") => Ok(Self::Stream {
                    first: records
                        .first()
                        .and_then(|one| one["dynamodb"]["SequenceNumber"].as_str())
                        .map(str::to_owned),
                }),
                _ => Err(refused(
                    "records of a source that Gna does not know; it takes those of SQS and of DynamoDB Streams",
                )),
            };
        }
        if event["detail-type"] == "Scheduled Event" {
            return Ok(Self::Tick);
        }
        if event["function"].is_string() {
            return Ok(Self::Call(typed(event, "a call by name")?));
        }
        Err(refused(
            "of an unknown form; `docs/FUNCTIONS.md` tells which are known",
        ))
    }
}

/// The event as the type of its form.
fn typed<T: DeserializeOwned>(event: Value, what: &str) -> Result<T> {
    // The reason may quote what was sent.
    serde_json::from_value(event)
        .map_err(|_| refused(&format!("{what}, but its fields are not as documented")))
}

fn refused(what: &str) -> Error {
    Error::invalid("lambda.event", format!("the event is {what}"))
}
