const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** The text with its control characters written out, so that it stays one line and tells a terminal nothing: keys may hold any. */
export function oneLine(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** As {@link oneLine}, of a text that is several lines. */
export function lines(text: string): string {
  return text.replace(CONTROLS, (control) => (control === "\n" || control === "\t" ? control : escaped(control)));
}

/** As JSON writes them. */
function escaped(control: string): string {
  const plain = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[control];
  return plain ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
