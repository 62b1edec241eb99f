//! Messages of a queue: each names a function and becomes its job.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::service::function::{self, Function};
use serde_json::{Value, json};

use super::event::Call;

/// Turns each message into a durable job, once however often it is delivered. Answers those that
/// failed, in the form in which Lambda is told (`ReportBatchItemFailures`): just they come again, and
/// end in the dead-letter queue when they are of no use.
pub(super) async fn accept(ctx: &Ctx, functions: &[Function], batch: SqsEvent) -> Value {
    let mut failures = SqsBatchResponse::default();
    for message in &batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        if let Err(error) = accept_one(ctx, functions, message).await {
            tracing::warn!(message = %id, code = error.code(), "a message was not accepted");
            failures.add_failure(id);
        }
    }
    serde_json::to_value(&failures).unwrap_or_else(|_| json!({ "batchItemFailures": [] }))
}

async fn accept_one(ctx: &Ctx, functions: &[Function], message: &SqsMessage) -> Result<()> {
    let wrong = |what: &str| {
        Error::invalid(
            "lambda.message",
            format!("{what}; a message is {{\"function\": \"store.tidy\", \"event\": {{…}}}}"),
        )
    };
    let id = message.message_id.as_deref();
    let id = id.ok_or_else(|| wrong("the message has no id"))?;
    let body = message.body.as_deref().unwrap_or_default();
    let call: Call =
        serde_json::from_str(body).map_err(|_| wrong("the message is of another form"))?;
    let source = message.event_source_arn.as_deref().unwrap_or_default();
    let delivery = format!("{source} {id}");
    function::invoke_once(ctx, functions, &call.function, call.event, &delivery).await?;
    Ok(())
}
