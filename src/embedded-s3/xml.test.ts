import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseXml, xmlDocument, xmlElement } from "./xml.ts";

test("any text survives being written and read", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(parseXml(xmlDocument("Root", xmlElement("Text", text))).children[0]?.text, text);
    }),
  );
});

test("namespaces, attributes, comments, CDATA and references are understood", () => {
  const source = `<?xml version="1.0"?>\n<!-- c --><s3:A xmlns:s3="x"><B k="v">1 &lt;&#x1F389;&#13;\r\n<![CDATA[<&]]></B><C/></s3:A>\n`;
  assert.deepEqual(parseXml(source), {
    name: "A",
    text: "",
    children: [
      { name: "B", text: "1 <🎉\r\n<&", children: [] },
      { name: "C", text: "", children: [] },
    ],
  });
});

test("what is not one well-formed document is refused", () => {
  for (const source of [
    "",
    "text",
    "<a>",
    "</a>",
    "<a></b>",
    "<a/><b/>",
    "<a>&nope;</a>",
    "<!DOCTYPE a><a/>",
    "<a",
    "<a>&#x110000;</a>",
    "<>",
  ]) {
    assert.throws(() => parseXml(source), { code: "MalformedXML" }, source);
  }
});
