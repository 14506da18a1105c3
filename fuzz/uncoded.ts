/** An error without a code, met while a case was drawn; its cause is the error. */
export class Uncoded extends Error {
  override readonly name = "Uncoded";
}
