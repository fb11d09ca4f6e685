/** The sign-in page in the company's colour; the page works without it. */
import { paint } from "../shared/colour.js";

paint(document.documentElement, document.body.dataset.accent);
