/** What a reader sees of markup, for tests. */
export const text = (markup: string): string => markup.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ").trim();
