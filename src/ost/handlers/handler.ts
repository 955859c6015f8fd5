import type { Session } from '../session.ts';
import type { Answer, Question, RequestName } from '../wire/messages.ts';

/** Answers one kind of request. What is thrown becomes the error answer; a wire fault ends the connection. */
export type Handler<N extends RequestName> = (
  session: Session,
  question: Question<N>,
  /** Sent again after a reconnect: it may have been done already. */
  resend: boolean,
) => Promise<Answer<N>> | Answer<N>;

export type Handlers<N extends RequestName> = { readonly [K in N]: Handler<K> };
