//! `--xpath`: a query (XPath 1.0) on XML, answered as the original does, which has libxml2.
//!
//! A set of nodes is printed node by node, elements as XML, laid out anew; anything else as text.

use std::fmt;
use std::io::{Read, Write};

use oxml::tree::{Document, NameId, NodeId, NodeKind};
use oxml::xpath::{EvalContext, Value, XPath};
use virt_common::{Error, Result};

/// Most bytes of XML that are searched.
const XML_MAX: usize = 256 << 20;
/// What every level is indented by.
const INDENT: &str = "  ";

/// Reads all of the XML.
///
/// # Errors
/// If it can't be read, or is too long.
pub(crate) fn read(input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut xml = Vec::new();
    let limit = u64::try_from(XML_MAX).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut xml).map_err(|e| Error::because("reading standard input", e))?;
    check_size(xml.len())?;
    Ok(xml)
}

/// Is a document of so many bytes one that is searched?
///
/// # Errors
/// If it is not.
pub(crate) fn check_size(len: usize) -> Result<()> {
    if len > XML_MAX {
        return Err(Error::new(format!("--xpath searches {XML_MAX} bytes of XML at most")));
    }
    Ok(())
}

/// Answers `query`.
///
/// # Errors
/// If `xml` is none, or the query no XPath, or `out` cannot be written.
pub(crate) fn run(query: &str, xml: &[u8], out: &mut dyn Write) -> Result<()> {
    let answer = answer(query, xml)?;
    out.write_all(answer.as_bytes()).map_err(|e| Error::because("writing standard output", e))
}

fn answer(query: &str, xml: &[u8]) -> Result<String> {
    let about_query = |why: &dyn fmt::Display| Error::new(format!("the query {query}: {why}"));
    let compiled = XPath::compile(query).map_err(|e| about_query(&e))?;
    let mut document = oxml::parse_bytes(xml).map_err(|e| Error::new(format!("the XML: {e}")))?;
    drop_layout(&mut document)?;
    let value = compiled.evaluate_with(&document, &EvalContext::default()).map_err(|e| about_query(&e))?;
    let mut text = String::new();
    match value {
        Value::NodeSet(nodes) => {
            for node in nodes {
                Layout { document: &document, text: &mut text }.node(node, 0, true);
                text.push('\n');
            }
        }
        Value::Number(number) => {
            text.push_str(&decimal(number));
            text.push('\n');
        }
        other => {
            text.push_str(&other.to_str(&document));
            text.push('\n');
        }
    }
    Ok(text)
}

/// A number with 15 significant digits (libxml2 has as many: `DBL_DIG`).
fn decimal(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    // Rounded by its decimal form, so that digits past the last that counts are gone.
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}

/// Takes out the blank texts between elements, which only lay the document out. libxml2's rule: a blank text is content
/// where it is all that an element has, and next to text.
fn drop_layout(document: &mut Document) -> Result<()> {
    let elements: Vec<NodeId> = document.nodes().filter(|&node| document.is_element(node)).collect();
    for element in elements {
        let children = document.children(element).to_vec();
        let is_text = |node: &NodeId| matches!(document.kind(*node), Some(NodeKind::Text(_)));
        let is_blank = |node: &NodeId| matches!(document.kind(*node), Some(NodeKind::Text(text)) if text.trim_matches(['\t', '\n', '\r', ' ']).is_empty());
        if children.len() == 1 || children.first().is_some_and(|first| is_text(first) && !is_blank(first)) {
            continue;
        }
        let blank: Vec<NodeId> = children.into_iter().filter(is_blank).collect();
        // From the last on, so that taking one out moves few of the others.
        for node in blank.into_iter().rev() {
            document.remove(node).map_err(|e| Error::new(format!("the XML: {e}")))?;
        }
    }
    document.document_order();
    Ok(())
}

/// Writes nodes as XML.
struct Layout<'a> {
    document: &'a Document,
    text: &'a mut String,
}

impl Layout<'_> {
    /// Writes a node; `indented` where its children have lines of their own, unless there is text among them.
    fn node(&mut self, node: NodeId, depth: usize, indented: bool) {
        let document = self.document;
        match document.kind(node) {
            Some(NodeKind::Root) => {
                for &child in document.children(node) {
                    self.node(child, 0, indented);
                    self.text.push('\n');
                }
            }
            Some(NodeKind::Element { name, .. }) => self.element(node, name, depth, indented),
            Some(NodeKind::Attr(attribute)) => {
                self.text.push(' ');
                self.attribute(attribute.name, attribute.value);
            }
            Some(NodeKind::Text(text)) => self.escaped(text, false),
            Some(NodeKind::Comment(text)) => self.text.extend(["<!--", text, "-->"]),
            Some(NodeKind::Namespace { prefix, uri }) => self.namespace(prefix, uri),
            Some(NodeKind::ProcessingInstruction { target, data }) => {
                let space = if data.is_empty() { "" } else { " " };
                self.text.extend(["<?", target, space, data, "?>"]);
            }
            None => {}
        }
    }

    fn element(&mut self, node: NodeId, name: NameId, depth: usize, indented: bool) {
        let document = self.document;
        self.text.push('<');
        self.name(name);
        for &declared in document.namespace_nodes(node) {
            // This one is always there, and in no document's text.
            if !matches!(document.kind(declared), Some(NodeKind::Namespace { prefix: "xml", .. })) {
                self.node(declared, depth, indented);
            }
        }
        for attribute in document.attributes(node) {
            self.text.push(' ');
            self.attribute(attribute.name, attribute.value);
        }
        let children = document.children(node);
        if children.is_empty() {
            return self.text.push_str("/>");
        }
        self.text.push('>');
        let has_text = children.iter().any(|&child| matches!(document.kind(child), Some(NodeKind::Text(_))));
        let indented = indented && !has_text;
        for &child in children {
            if indented {
                self.line(depth.saturating_add(1));
            }
            self.node(child, depth.saturating_add(1), indented);
        }
        if indented {
            self.line(depth);
        }
        self.text.push_str("</");
        self.name(name);
        self.text.push('>');
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(INDENT, depth));
    }

    fn name(&mut self, name: NameId) {
        if let Some(prefix) = self.document.prefix(name).filter(|prefix| !prefix.is_empty()) {
            self.text.extend([prefix, ":"]);
        }
        let local = self.document.name(name).map_or("", |name| name.local.as_str());
        self.text.push_str(local);
    }

    fn attribute(&mut self, name: NameId, value: &str) {
        self.name(name);
        self.text.push_str("=\"");
        self.escaped(value, true);
        self.text.push('"');
    }

    fn namespace(&mut self, prefix: &str, uri: &str) {
        let colon = if prefix.is_empty() { "" } else { ":" };
        self.text.extend([" xmlns", colon, prefix, "=\""]);
        self.escaped(uri, true);
        self.text.push('"');
    }

    fn escaped(&mut self, text: &str, in_attribute: bool) {
        for c in text.chars() {
            match c {
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '&' => self.text.push_str("&amp;"),
                '\r' => self.text.push_str("&#13;"),
                '"' if in_attribute => self.text.push_str("&quot;"),
                '\n' if in_attribute => self.text.push_str("&#10;"),
                '\t' if in_attribute => self.text.push_str("&#9;"),
                // As the original, which leaves it open how its output is encoded.
                _ if !c.is_ascii() => self.text.push_str(&format!("&#x{:X};", u32::from(c))),
                _ => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Debian's virt-inspector 1.48.6 prints.
    #[test]
    fn answers_are_those_of_the_original() {
        let xml = "<?xml version=\"1.0\"?>\n<a x=\"1\"><b>t &amp; \"q\" &gt;</b>\n <b/><c y=\"2&quot;\">u</c><!-- k -->\n <d><e>\n</e> \
                   <f>1</f></d></a>";
        for (query, expected) in [
            ("//b", "<b>t &amp; \"q\" &gt;</b>\n<b/>\n"),
            ("string(//b)", "t & \"q\" >\n"),
            ("//b/text()", "t &amp; \"q\" &gt;\n"),
            ("//c/@y", " y=\"2&quot;\"\n"),
            ("count(//b)", "2\n"),
            ("count(//d/node())", "2\n"),
            ("//d", "<d>\n  <e>\n</e>\n  <f>1</f>\n</d>\n"),
            ("string(//d)", "\n1\n"),
            ("//c | //b[1]", "<b>t &amp; \"q\" &gt;</b>\n<c y=\"2&quot;\">u</c>\n"),
            ("1=1", "true\n"),
            ("1 div 3", "0.333333333333333\n"),
            ("0.1 + 0.2", "0.3\n"),
            ("1 div 0", "Infinity\n"),
            ("-1 div 0", "-Infinity\n"),
            ("number('x')", "NaN\n"),
            ("1000000 * 1000", "1000000000\n"),
            ("//nothing", ""),
            ("//comment()", "<!-- k -->\n"),
            ("concat('a', name(/*))", "aa\n"),
            ("//*[@y='2\"']", "<c y=\"2&quot;\">u</c>\n"),
            (
                "/",
                "<a x=\"1\">\n  <b>t &amp; \"q\" &gt;</b>\n  <b/>\n  <c y=\"2&quot;\">u</c>\n  <!-- k -->\n  \
                 <d>\n    <e>\n</e>\n    <f>1</f>\n  </d>\n</a>\n\n",
            ),
        ] {
            assert_eq!(answer(query, xml.as_bytes()).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn characters_beyond_ascii_are_numbers_in_xml() {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"é\">∞</a>";
        assert_eq!(answer("//a", xml.as_bytes()).unwrap(), "<a b=\"&#xE9;\">&#x221E;</a>\n");
        assert_eq!(answer("string(//a)", xml.as_bytes()).unwrap(), "∞\n");
    }

    #[test]
    fn what_is_no_query_or_no_xml_is_refused() {
        for (query, xml, text) in [
            ("///", "<a/>", "the query ///: "),
            ("$x", "<a/>", "the query $x: "),
            ("count('x')", "<a/>", "the query count('x'): "),
            ("//a", "<a", "the XML: "),
            ("//a", "", "the XML: "),
        ] {
            let error = answer(query, xml.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
