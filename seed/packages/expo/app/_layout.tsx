import { Stack } from "expo-router";
import { useTheme } from "../src/theme";

export default function Layout() {
  const theme = useTheme();
  const options = {
    headerStyle: { backgroundColor: theme.ground },
    headerTintColor: theme.text,
    contentStyle: { backgroundColor: theme.ground },
  };
  return <Stack screenOptions={options} />;
}
