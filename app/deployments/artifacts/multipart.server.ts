/** Reads an upload form while it arrives: fields first, then one file, which is never held in memory. */
import busboy from "busboy";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { AppError } from "../../utils/appError";

const LIMITS = { fields: 20, fieldSize: 4_096, fieldNameSize: 100, files: 1, parts: 22 };

/**
 * Calls `onFile` with the fields that came before the file, and answers what it answers. Throws 400 when the body is no
 * form, has no file, or ends early. When `onFile` throws, the rest of the body is not read.
 */
export async function readUploadForm<T>(
  request: Request,
  onFile: (fields: ReadonlyMap<string, string>, file: Readable) => Promise<T>
): Promise<T> {
  const parser = parserOf(request);
  const { body } = request;
  if (!body) throw malformed("it is empty");
  const source = Readable.fromWeb(body as unknown as NodeReadableStream);
  try {
    return await run(source, parser, onFile);
  } finally {
    source.unpipe(parser);
    source.destroy();
    parser.destroy();
  }
}

function run<T>(
  source: Readable,
  parser: busboy.Busboy,
  onFile: (fields: ReadonlyMap<string, string>, file: Readable) => Promise<T>
): Promise<T> {
  const fields = new Map<string, string>();
  return new Promise<T>((resolve, reject) => {
    let outcome: Promise<T> | null = null;
    let current: Readable | null = null;
    let closed = false;
    const fail = (error: unknown) => {
      current?.destroy(malformed("it ended early"));
      reject(error instanceof AppError ? error : malformed("it is cut short or not a form"));
    };
    parser.on("field", (name, value) => void (outcome ? undefined : fields.set(name, value)));
    parser.on("file", (_name, file) => {
      current = file;
      // Without this a file that nobody reads after an error would be an unhandled one.
      file.on("error", () => undefined);
      outcome = onFile(fields, file);
      // The rest of the form is read first: an answer in the middle of a body cuts the connection.
      outcome.then((value) => (closed ? resolve(value) : parser.once("close", () => resolve(value))), reject);
    });
    parser.on("close", () => {
      closed = true;
      if (!outcome) reject(malformed('it has no part named "file"'));
    });
    parser.on("error", fail);
    source.on("error", fail);
    source.on("close", () => {
      if (!source.readableEnded) fail(null);
    });
    source.pipe(parser);
  });
}

function parserOf(request: Request): busboy.Busboy {
  try {
    return busboy({ headers: { "content-type": request.headers.get("content-type") ?? "" }, limits: LIMITS });
  } catch {
    throw malformed("it is not multipart/form-data");
  }
}

function malformed(why: string): AppError {
  return new AppError("invalid_upload", 400, `The upload form cannot be read: ${why}. Run the deploy command again.`);
}
