//! Reports of any size, with the spread of rules, packages and paths that real ones have: few
//! rules with many results in SARIF, many advisories with few packages each in Trivy.

use std::fmt::Write;

/// A SARIF log of `count` results over 200 rules and 2,000 files, about 1 KB per result.
pub fn sarif(count: usize) -> String {
    let mut out = String::with_capacity(count * 1_050 + 200_000);
    out.push_str(r#"{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":{"name":"BenchScan","semanticVersion":"1.0.0","rules":["#);
    for rule in 0..200 {
        let comma = if rule == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"id":"bench/rule-{rule}","shortDescription":{{"text":"Weakness number {rule}"}},"fullDescription":{{"text":"{}"}},"help":{{"text":"Do it another way."}},"helpUri":"https://bench.example/{rule}","defaultConfiguration":{{"level":"warning"}},"properties":{{"security-severity":"{}.{}","tags":["security","external/cwe/cwe-{}"]}}}}"#,
            "What may happen, and why it matters. ".repeat(12),
            rule % 10,
            rule % 7,
            20 + rule
        )
        .expect("writing to a string");
    }
    out.push_str(r#"]}},"results":["#);
    for result in 0..count {
        let (rule, file) = (result * 7 % 200, result * 13 % 2_000);
        let comma = if result == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"ruleId":"bench/rule-{rule}","ruleIndex":{rule},"level":"error","message":{{"text":"Value of parameter p{result} reaches call number {} without a check on its way, see the flow. {}"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"src/module{}/file{file}.py","uriBaseId":"%SRCROOT%"}},"region":{{"startLine":{},"startColumn":5,"endLine":{},"endColumn":40,"snippet":{{"text":"    result_{result} = call(parameter, option={file})\n    return result_{result}"}}}}}},"logicalLocations":[{{"fullyQualifiedName":"module{}.handler_{result}"}}]}}],"partialFingerprints":{{"primaryLocationLineHash":"{:016x}:1"}},"properties":{{"confidence":"HIGH","trace":"{}"}}}}"#,
            result % 97,
            "The value was not cleaned. ".repeat(4),
            file % 50,
            result % 5_000 + 1,
            result % 5_000 + 2,
            file % 50,
            result.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            "a -> b -> c; ".repeat(16),
        )
        .expect("writing to a string");
    }
    out.push_str("]}]}");
    out
}

/// A Trivy report of an image with `count` vulnerabilities, about 1.6 KB each.
pub fn trivy(count: usize) -> String {
    let mut out = String::with_capacity(count * 1_700 + 1_000);
    out.push_str(r#"{"SchemaVersion":2,"ArtifactName":"registry.bench.example/app:1","ArtifactType":"container_image","Results":[{"Target":"registry.bench.example/app:1 (debian 12.5)","Class":"os-pkgs","Type":"debian","Vulnerabilities":["#);
    for number in 0..count {
        let (package, advisory) = (number % 400, number / 3);
        let comma = if number == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"VulnerabilityID":"CVE-20{}-{:05}","PkgID":"lib{package}@1.{package}-1","PkgName":"lib{package}","PkgIdentifier":{{"PURL":"pkg:deb/debian/lib{package}@1.{package}-1?arch=amd64"}},"InstalledVersion":"1.{package}-1","FixedVersion":"1.{package}-2","Status":"fixed","Layer":{{"Digest":"sha256:{:064x}"}},"SeveritySource":"nvd","PrimaryURL":"https://avd.bench.example/{advisory}","Title":"lib{package}: overflow number {advisory}","Description":"{}","Severity":"{}","CweIDs":["CWE-120"],"CVSS":{{"nvd":{{"V3Vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","V3Score":9.8}}}},"References":["https://bench.example/a/{advisory}","https://bench.example/b/{advisory}"]}}"#,
            10 + advisory % 15,
            advisory % 100_000,
            package,
            "A long header overflows a buffer in the parser of the library. ".repeat(12),
            ["LOW", "MEDIUM", "HIGH", "CRITICAL"].get(number % 4).unwrap_or(&"LOW"),
        )
        .expect("writing to a string");
    }
    out.push_str("]}]}");
    out
}
