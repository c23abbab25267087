/** How many letters have to be put in, taken out or changed. */
export function levenshteinDistance(str1: string, str2: string): number;
