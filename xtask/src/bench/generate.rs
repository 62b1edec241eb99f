//! Reports of any size, the same for the same seed.

use serde_json::json;
use std::fmt::Write;

/// SARIF 2.1.0 with so many results, about 1 kB each, of 200 rules in files of 20 results.
#[must_use]
pub fn sarif(results: usize, seed: u64) -> Vec<u8> {
    let rules: Vec<_> = (0..200)
        .map(|rule| {
            json!({
                "id": format!("bench.rule-{rule}"),
                "shortDescription": { "text": format!("Unsafe use number {rule}") },
                "fullDescription": { "text": format!("Rule {rule} finds places where input reaches a sink without a check. {}", "It matters because input is not to be trusted. ".repeat(8)) },
                "properties": { "security-severity": format!("{}.{}", rule % 10, rule % 7), "tags": [format!("external/cwe/cwe-{}", 20 + rule % 60)] },
            })
        })
        .collect();
    let mut text = format!(
        "{{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{{\"tool\":{{\"driver\":{{\"name\":\"Bench\",\"version\":\"1.0.0\",\"rules\":{}}}}},\"results\":[",
        json!(rules)
    );
    for number in 0..results {
        let hash = (number as u64)
            .wrapping_add(seed.wrapping_mul(1_000_003))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (rule, file, line) = (hash % 200, number / 20, number % 20 * 31 + 3);
        let padding = "the value comes from the request and is used without a check; ".repeat(5);
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "{comma}{{\"ruleId\":\"bench.rule-{rule}\",\"ruleIndex\":{rule},\"level\":\"warning\",\"message\":{{\"text\":\"Look at call {number}: {padding}\"}},\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"src/module_{}/part_{}/file_{file}.rs\",\"uriBaseId\":\"%SRCROOT%\"}},\"region\":{{\"startLine\":{line},\"startColumn\":9,\"endLine\":{line},\"endColumn\":48,\"snippet\":{{\"text\":\"    let value_{number} = request.get(\\\"field_{hash:016x}\\\").unwrap();\"}}}}}}}}],\"partialFingerprints\":{{\"primaryLocationLineHash\":\"{hash:016x}:1\"}}}}",
            file % 40,
            file % 7,
        );
    }
    text.push_str("]}]}");
    text.into_bytes()
}
