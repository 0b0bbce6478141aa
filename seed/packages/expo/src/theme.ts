import { useColorScheme } from "react-native";

const light = { ground: "#fbfaf8", surface: "#ffffff", text: "#1c1b1a", quiet: "#6f6b66", accent: "{{ accent }}", line: "#e7e3dd" };
const dark = { ground: "#121316", surface: "#1b1d21", text: "#f1efec", quiet: "#a09c96", accent: "{{ accent }}", line: "#2c2f35" };

export type Theme = typeof light;

export const space = { small: 8, medium: 16, large: 24 } as const;

export function useTheme(): Theme {
  return useColorScheme() === "dark" ? dark : light;
}
