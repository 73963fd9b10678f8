import { S3Error } from "./s3-error.ts";

export const XML_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** A document, ready to be sent. The content must have been escaped. */
export function xmlDocument(root: string, content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${XML_NAMESPACE}">${content}</${root}>`;
}

/** One element with text, or nothing where there is no text to hold. */
export function xmlElement(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? "" : `<${name}>${escapeXml(String(text))}</${name}>`;
}

const SPECIAL = /[&<>"\x00-\x08\x0b-\x1f]/;
const SPECIALS = /[&<>"\x00-\x08\x0b-\x1f]/g;
const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Control characters become references as on S3: XML 1.0 readers refuse them, which is what `encoding-type=url` is for. */
export function escapeXml(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.replace(SPECIALS, (character) => NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`);
}

/** An element of a document that was read. Namespaces and attributes are dropped. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** Reads a small document. @throws S3Error `MalformedXML` for what is not well-formed, and for a DOCTYPE */
export function parseXml(source: string): XmlElement {
  const document: OpenElement = { name: "", text: "", children: [] };
  const open: OpenElement[] = [document];
  // XML readers turn line ends into LF; a literal CR can only be sent as a reference.
  const text = source.replace(/\r\n?/g, "\n").replace(/^\uFEFF/, "");
  let offset = 0;
  while (offset < text.length) {
    const tag = text.indexOf("<", offset);
    addText(open, text.slice(offset, tag < 0 ? undefined : tag));
    offset = tag < 0 ? text.length : readMarkup(text, tag, open);
  }
  const [root] = document.children;
  if (root === undefined || open.length !== 1 || document.children.length !== 1) throw new S3Error("MalformedXML");
  return root;
}

/** Reads what begins with `<` and returns where it ends. */
function readMarkup(text: string, start: number, open: OpenElement[]): number {
  if (text.startsWith("<?", start)) return after(text, "?>", start);
  if (text.startsWith("<!--", start)) return after(text, "-->", start + 4);
  if (text.startsWith("<![CDATA[", start)) {
    const end = after(text, "]]>", start);
    (open.at(-1) as OpenElement).text += text.slice(start + 9, end - 3);
    return end;
  }
  if (text.startsWith("<!", start)) throw new S3Error("MalformedXML");
  const end = after(text, ">", start);
  readTag(text.slice(start + 1, end - 1), open);
  return end;
}

function readTag(tag: string, open: OpenElement[]): void {
  if (tag.startsWith("/")) {
    const closed = open.pop();
    if (closed === undefined || open.length === 0 || closed.name !== localName(tag.slice(1))) throw new S3Error("MalformedXML");
    return;
  }
  const element: OpenElement = { name: localName(tag.endsWith("/") ? tag.slice(0, -1) : tag), text: "", children: [] };
  (open.at(-1) as OpenElement).children.push(element);
  if (!tag.endsWith("/")) open.push(element);
}

function localName(tag: string): string {
  const name = /^(?:[^\s:]+:)?([^\s:]+)/.exec(tag)?.[1];
  if (name === undefined) throw new S3Error("MalformedXML");
  return name;
}

function after(text: string, mark: string, from: number): number {
  const index = text.indexOf(mark, from);
  if (index < 0) throw new S3Error("MalformedXML");
  return index + mark.length;
}

function addText(open: readonly OpenElement[], raw: string): void {
  if (raw === "") return;
  const element = open.at(-1) as OpenElement;
  if (open.length > 1) element.text += raw.includes("&") ? raw.replace(/&(#?[A-Za-z0-9]*);?/g, (_, name: string) => entity(name)) : raw;
  else if (raw.trim() !== "") throw new S3Error("MalformedXML");
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function entity(name: string): string {
  const known = ENTITIES[name];
  if (known !== undefined) return known;
  const code = /^#x([0-9a-f]+)$/i.test(name)
    ? Number.parseInt(name.slice(2), 16)
    : /^#\d+$/.test(name)
      ? Number(name.slice(1))
      : Number.NaN;
  if (!(code <= 0x10ffff)) throw new S3Error("MalformedXML");
  return String.fromCodePoint(code);
}

/** The text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}
