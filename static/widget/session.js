/** The visitor's HTTP side: a session, and the history. The token travels in headers and bodies, never in a URL. */
import { forget, recall, remember } from "./storage.js";

const TOKEN = "kefu.visitor";

export class HttpError extends Error {
  constructor(status, { code = "internal", message = "", retry_after: retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { name: "HttpError", status, code, retryAfter });
  }

  get isTemporary() {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** Starts or continues a session and keeps its token. `wishes`: {identity?, locale?, page?, attributes?}. */
export async function startSession(wishes) {
  const token = recall(TOKEN);
  const session = await call("/api/v1/visitor/sessions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...wishes, ...(token && { token }) }),
  });
  remember(TOKEN, session.token);
  return session;
}

export function forgetSession() {
  forget(TOKEN);
}

export function fetchMessages(token, conversation, after, limit = 200) {
  const address = `/api/v1/conversations/${encodeURIComponent(conversation)}/messages?after=${after}&limit=${limit}`;
  return call(address, { headers: authorisation(token) });
}

export async function fetchFile(token, conversation, id) {
  const address = `/api/v1/conversations/${encodeURIComponent(conversation)}/attachments/${encodeURIComponent(id)}`;
  const response = await fetch(address, { credentials: "omit", headers: authorisation(token) });
  if (!response.ok) throw new HttpError(response.status);
  return response.blob();
}

export const authorisation = (token) => ({ Authorization: `Bearer ${token}` });

async function call(address, options) {
  const response = await fetch(address, { credentials: "omit", cache: "no-store", ...options });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new HttpError(response.status, body);
  return body;
}
