//! What an error of DynamoDB is to the contract.

use crate::kernel::Error;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// The message names the operation and the service's code, never the content: the service's own
/// messages may quote keys.
pub(crate) fn map<E, R>(doing: &'static str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata,
{
    Error::Unavailable(match error {
        SdkError::ServiceError(told) => {
            let code = told.err().code().unwrap_or("an error without a code");
            tracing::debug!(
                doing,
                code,
                message = told.err().message(),
                "DynamoDB refused"
            );
            said(doing, code)
        }
        SdkError::TimeoutError(_) => format!("DynamoDB did not answer in time ({doing})"),
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            format!("the connection to DynamoDB failed ({doing})")
        }
        _ => format!(
            "DynamoDB could not be asked ({doing}): look at region, endpoint and credentials"
        ),
    })
}

fn said(doing: &'static str, code: &str) -> String {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ThrottlingError" => {
            format!("DynamoDB limits the rate of requests ({doing}); it does so for a while only")
        }
        "ResourceNotFoundException" => {
            "the table is not there; make it with `gna store init`".to_owned()
        }
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException" => {
            format!("DynamoDB does not let these credentials do that ({doing}: {code})")
        }
        code => format!("DynamoDB refused ({doing}: {code})"),
    }
}

/// The service's code, where it told one.
pub(super) fn code<E, R>(error: &SdkError<E, R>) -> Option<&str>
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(told) => told.err().code(),
        _ => None,
    }
}
