/** The console's reads over HTTP: the only place with `fetch`. Each answers parsed JSON or throws ApiError. */

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  constructor(root) {
    this.root = root;
  }

  me = () => this.#get("me");
  /** {agents, teams} */
  agents = () => this.#get("agents");
  cannedReplies = async () => (await this.#get("canned-replies")).replies;
  conversations = async (list) => (await this.#get("conversations", { list })).conversations;
  conversation = (id) => this.#get(`conversations/${id}`);
  notes = async (id) => (await this.#get(`conversations/${id}/notes`)).notes;
  /** What came after `after`, oldest first: {messages, more}. */
  messages = (id, after, limit = 50) => this.#get(`conversations/${id}/messages`, { after, limit });
  earlierOf = async (visitor) => (await this.#get(`visitors/${visitor}/conversations`)).conversations;

  /** Where a conversation's files go, and where one of them is. */
  files = (id, file) => new URL(`conversations/${id}/attachments${file ? `/${file}` : ""}`, new URL(this.root, location.href)).href;

  async #get(path, query = {}) {
    const address = new URL(path, new URL(this.root, location.href));
    address.search = new URLSearchParams(query);
    const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (!answer.ok) throw new ApiError(answer.status, `${answer.status} ${address.pathname}`);
    return answer.json();
  }
}
