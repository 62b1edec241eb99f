//! What a deployment has whatever its functions are: the two Lambda functions and what they may do,
//! the gateway, the queue, the clock, the bucket and the key. Property names: AWS CloudFormation
//! template reference.

use serde_json::{Map, Value, json};

/// Longest that the gateway waits is 30 s; the function ends before.
const API_SECONDS: u32 = 29;

fn sub(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

fn arn_of(resource: &str) -> Value {
    json!({ "Fn::GetAtt": [resource, "Arn"] })
}

fn unless_empty(condition: &str, value: Value) -> Value {
    json!({ "Fn::If": [condition, value, { "Ref": "AWS::NoValue" }] })
}

pub(super) fn parameters() -> Map<String, Value> {
    let text = |description: &str, default: Option<&str>| {
        let mut parameter = json!({ "Type": "String", "Description": description });
        if let Some(default) = default {
            parameter["Default"] = json!(default);
        }
        parameter
    };
    let number = |description: &str, default: u32, least: u32, most: u32| {
        json!({
            "Type": "Number", "Description": description,
            "Default": default, "MinValue": least, "MaxValue": most,
        })
    };
    let list = |description: &str| json!({ "Type": "CommaDelimitedList", "Description": description, "Default": "" });
    let mut store = text(
        "Address of the store: dynamodb://... or postgres://...",
        None,
    );
    store["NoEcho"] = json!(true);
    let mut search = text(
        "Where search lives, where the store has none of its own: opensearch://... for a dynamodb: store, or sqlite:/tmp/search.db for a small one",
        Some(""),
    );
    search["NoEcho"] = json!(true);
    let mut all = Map::new();
    for (name, parameter) in [
        ("CodeBucket", text("Bucket with the package", None)),
        (
            "CodeKey",
            text(
                "Name of the package in it: a zip file with the binary as bootstrap",
                None,
            ),
        ),
        ("StoreUrl", store),
        ("SearchUrl", search),
        (
            "PublicUrl",
            text(
                "How people reach Gna; empty for the gateway's own address",
                Some(""),
            ),
        ),
        (
            "ApiMemory",
            number("MB for the function that answers", 512, 128, 10_240),
        ),
        (
            "WorkMemory",
            number(
                "MB for the function that works; imports need the most",
                1_024,
                128,
                10_240,
            ),
        ),
        ("WorkSeconds", number("Longest slice of work", 300, 60, 900)),
        (
            "ClockTimes",
            text(
                "How often the work looks for what is due",
                Some("rate(1 minute)"),
            ),
        ),
        ("LogDays", number("Days that logs are kept", 30, 1, 3_653)),
        (
            "TableArn",
            text(
                "ARN of the DynamoDB table, where that is the store",
                Some(""),
            ),
        ),
        (
            "StreamArn",
            text(
                "ARN of the table's stream: it wakes the work up at once",
                Some(""),
            ),
        ),
        (
            "SubnetIds",
            list("Subnets from which the store is reached; empty for none"),
        ),
        ("SecurityGroupIds", list("Security groups in them")),
    ] {
        all.insert(name.to_owned(), parameter);
    }
    all
}

pub(super) fn conditions() -> Value {
    let is_said = |name: &str| json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": name }, ""] }] });
    json!({
        "HasTable": is_said("TableArn"),
        "HasStream": is_said("StreamArn"),
        "HasPublicUrl": is_said("PublicUrl"),
        "HasNetwork": { "Fn::Not": [{ "Fn::Equals": [{ "Fn::Join": ["", { "Ref": "SubnetIds" }] }, ""] }] },
    })
}

/// Whom a schedule of EventBridge calls.
pub(super) fn clock_target() -> Value {
    json!({
        "Arn": arn_of(super::WORK),
        "RoleArn": arn_of("ClockRole"),
        "RetryPolicy": { "MaximumRetryAttempts": 0 },
    })
}

pub(super) fn resources() -> Map<String, Value> {
    let mut all = Map::new();
    for (name, resource) in [
        (
            super::API,
            function("api", "ApiMemory", &json!(API_SECONDS), "ApiLog"),
        ),
        (
            super::WORK,
            function(
                "work",
                "WorkMemory",
                &json!({ "Ref": "WorkSeconds" }),
                "WorkLog",
            ),
        ),
        ("ApiLog", log("api")),
        ("WorkLog", log("work")),
        ("Role", role()),
        ("TablePolicy", table_policy()),
        ("ReportsBucket", bucket()),
        ("KeyringKey", key()),
        (
            "JobsQueue",
            json!({
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    // Six times the longest time of a function, as the guide of SQS wants it.
                    "VisibilityTimeout": 5_400,
                    "SqsManagedSseEnabled": true,
                    "RedrivePolicy": { "deadLetterTargetArn": arn_of("JobsDeadLetters"), "maxReceiveCount": 5 },
                },
            }),
        ),
        (
            "JobsDeadLetters",
            json!({
                "Type": "AWS::SQS::Queue",
                "Properties": { "MessageRetentionPeriod": 1_209_600, "SqsManagedSseEnabled": true },
            }),
        ),
        (
            "JobsQueueMapping",
            json!({
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": arn_of("JobsQueue"),
                    "FunctionName": { "Ref": super::WORK },
                    "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                },
            }),
        ),
        (
            "StreamMapping",
            json!({
                "Type": "AWS::Lambda::EventSourceMapping",
                "Condition": "HasStream",
                "Properties": {
                    "EventSourceArn": { "Ref": "StreamArn" },
                    "FunctionName": { "Ref": super::WORK },
                    "StartingPosition": "LATEST",
                // Commits that tell something, and jobs: the keys of the rows that count the feed on
                // and that hold jobs (storage/src/backend/dynamodb/layout.rs).
                "FilterCriteria": { "Filters": [{
                    "Pattern": "{\"dynamodb\":{\"Keys\":{\"p\":{\"S\":[\"~feed\",{\"prefix\":\"job=\"}]}}}}",
                }] },
                    "BatchSize": 1_000,
                    "MaximumBatchingWindowInSeconds": 1,
                    "MaximumRetryAttempts": 3,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                },
            }),
        ),
        (
            "Clock",
            json!({
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "Description": "Looks for what is due",
                    "ScheduleExpression": { "Ref": "ClockTimes" },
                    "FlexibleTimeWindow": { "Mode": "OFF" },
                    "Target": clock_target(),
                },
            }),
        ),
        (
            "ClockRole",
            json!({
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": assumed_by("scheduler.amazonaws.com"),
                    "Policies": [{
                        "PolicyName": "invoke",
                        "PolicyDocument": allowing(&["lambda:InvokeFunction"], &[arn_of(super::WORK)]),
                    }],
                },
            }),
        ),
        (
            "HttpApi",
            json!({
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": { "Name": { "Ref": "AWS::StackName" }, "ProtocolType": "HTTP" },
            }),
        ),
        (
            "ApiStage",
            json!({
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": { "ApiId": { "Ref": "HttpApi" }, "StageName": "$default", "AutoDeploy": true },
            }),
        ),
        (
            "ApiIntegration",
            json!({
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": { "Ref": "HttpApi" },
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationUri": arn_of(super::API),
                    "PayloadFormatVersion": "2.0",
                },
            }),
        ),
        (
            "ApiPermission",
            json!({
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": { "Ref": super::API },
                    "Principal": "apigateway.amazonaws.com",
                    "SourceArn": sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*"),
                },
            }),
        ),
    ] {
        all.insert(name.to_owned(), resource);
    }
    all
}

fn function(name: &str, memory: &str, seconds: &Value, log: &str) -> Value {
    let own = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}";
    json!({
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": sub(&format!("${{AWS::StackName}}-{name}")),
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Architectures": ["x86_64"],
            "Code": { "S3Bucket": { "Ref": "CodeBucket" }, "S3Key": { "Ref": "CodeKey" } },
            "MemorySize": { "Ref": memory },
            "Timeout": seconds,
            "Role": arn_of("Role"),
            "LoggingConfig": { "LogGroup": { "Ref": log } },
            "VpcConfig": unless_empty("HasNetwork", json!({
                "SubnetIds": { "Ref": "SubnetIds" },
                "SecurityGroupIds": { "Ref": "SecurityGroupIds" },
            })),
            "Environment": { "Variables": {
                "GNA_STORE__URL": { "Ref": "StoreUrl" },
                "GNA_STORE__SEARCH": { "Ref": "SearchUrl" },
                "GNA_BLOBS__URL": sub("s3://${ReportsBucket}/reports"),
                "GNA_KEYRING__KIND": "env",
                "GNA_KEYRING__KEY": sub("{{resolve:secretsmanager:${KeyringKey}:SecretString}}"),
                "GNA_SERVER__PUBLIC_URL": { "Fn::If": ["HasPublicUrl", { "Ref": "PublicUrl" }, sub(own)] },
                "GNA_LOG__FORMAT": "json",
            } },
        },
    })
}

fn log(name: &str) -> Value {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {
            "LogGroupName": sub(&format!("/aws/lambda/${{AWS::StackName}}-{name}")),
            "RetentionInDays": { "Ref": "LogDays" },
        },
    })
}

fn assumed_by(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole",
        }],
    })
}

fn allowing(actions: &[&str], resources: &[Value]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": resources }],
    })
}

fn role() -> Value {
    let managed = |name: &str| {
        sub(&format!(
            "arn:${{AWS::Partition}}:iam::aws:policy/service-role/{name}"
        ))
    };
    let bucket = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:AbortMultipartUpload",
    ];
    let queue = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    ];
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": assumed_by("lambda.amazonaws.com"),
            "ManagedPolicyArns": [
                managed("AWSLambdaBasicExecutionRole"),
                unless_empty("HasNetwork", managed("AWSLambdaVPCAccessExecutionRole")),
            ],
            "Policies": [
                {
                    "PolicyName": "reports",
                    "PolicyDocument": allowing(&bucket, &[arn_of("ReportsBucket"), sub("${ReportsBucket.Arn}/*")]),
                },
                { "PolicyName": "jobs", "PolicyDocument": allowing(&queue, &[arn_of("JobsQueue")]) },
            ],
        },
    })
}

fn table_policy() -> Value {
    let table = [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ];
    let stream = [
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ];
    json!({
        "Type": "AWS::IAM::Policy",
        "Condition": "HasTable",
        "Properties": {
            "PolicyName": "table",
            "Roles": [{ "Ref": "Role" }],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    { "Effect": "Allow", "Action": table, "Resource": [{ "Ref": "TableArn" }, sub("${TableArn}/index/*")] },
                    { "Effect": "Allow", "Action": stream, "Resource": [sub("${TableArn}/stream/*")] },
                ],
            },
        },
    })
}

fn bucket() -> Value {
    json!({
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketEncryption": { "ServerSideEncryptionConfiguration": [
                { "ServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } },
            ] },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true, "BlockPublicPolicy": true,
                "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
            },
        },
    })
}

/// 32 random bytes in hexadecimal digits: all other letters are left out.
fn key() -> Value {
    json!({
        "Type": "AWS::SecretsManager::Secret",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Description": "The key above all secrets of Gna: without it no connection to an app works",
            "GenerateSecretString": {
                "PasswordLength": 64,
                "ExcludeCharacters": "ghijklmnopqrstuvwxyz",
                "ExcludeUppercase": true,
                "ExcludePunctuation": true,
                "RequireEachIncludedType": false,
            },
        },
    })
}

pub(super) fn outputs() -> Value {
    json!({
        "Url": { "Description": "Where Gna answers", "Value": sub("https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}") },
        "JobsQueueUrl": { "Description": "Where messages go that name a function", "Value": { "Ref": "JobsQueue" } },
        "ReportsBucketName": { "Description": "Raw reports; back it up with the store", "Value": { "Ref": "ReportsBucket" } },
    })
}
