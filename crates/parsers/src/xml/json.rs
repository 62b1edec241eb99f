//! How XML becomes JSON for formats as data: one convention, without exceptions.
//!
//! - An element is an object. Its own name is not in it: the path already said it.
//! - Each attribute is `"@name": "value"`, always a string.
//! - All children of one name are `"name": [ … ]`, always a list of objects, also when there is
//!   one: what is a list must not depend on how many a scanner found.
//! - Text is `"#text"`, trimmed, CDATA included; absent where there is none.
//! - Prefixes of namespaces and their declarations are gone.
//!
//! `<v id="1"><ref>a</ref><ref/></v>` is `{"@id": "1", "ref": [{"#text": "a"}, {}]}`.

use serde_json::{Map, Value};

use super::Element;

/// The element as JSON. As deep as the document, which [`crate::Limits::max_depth`] bounds.
#[must_use]
pub fn to_json(element: &Element) -> Value {
    let mut object = Map::new();
    for (name, value) in &element.attributes {
        // Of repeated attributes the first counts, as everywhere.
        object
            .entry(format!("@{name}"))
            .or_insert_with(|| Value::String(value.clone()));
    }
    for child in &element.children {
        let list = object
            .entry(child.name.as_str())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(to_json(child));
        }
    }
    let text = element.text();
    if !text.is_empty() {
        object.insert("#text".to_owned(), Value::String(text.to_owned()));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use crate::input::Input;
    use serde_json::json;

    #[test]
    fn one_child_is_a_list_like_many() {
        let mut items = Vec::new();
        let text = "<r xmlns:n='urn:n'><n:v id='1' n:id='2'> <ref>a</ref>t<n:ref/><one><![CDATA[x<y]]></one></n:v><v/></r>";
        super::super::for_each(&Input::new("t", text.as_bytes()), &["r/v"], |item| {
            items.push(super::to_json(&item.element));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            items,
            [
                json!({"@id": "1", "ref": [{"#text": "a"}, {}], "one": [{"#text": "x<y"}], "#text": "t"}),
                json!({})
            ]
        );
    }
}
