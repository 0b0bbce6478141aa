import { Link } from "expo-router";
import { Pressable, StyleSheet, Text } from "react-native";
import type { {{ Entity }} } from "../{{ entity }}";
import { space, useTheme } from "../theme";

export function {{ Entity }}Card({ item }: { item: {{ Entity }} }) {
  const theme = useTheme();
  return (
    <Link href={`/{{ entity }}/${item.id}`} asChild>
      <Pressable accessibilityRole="link" style={[styles.card, { backgroundColor: theme.surface, borderColor: theme.line }]}>
        <Text style={[styles.title, { color: theme.text }]}>{String(item.{{ fields[0].camel }})}</Text>
        <Text style={ { color: theme.quiet } }>{String(item.{{ fields[1].camel }})}</Text>
      </Pressable>
    </Link>
  );
}

const styles = StyleSheet.create({
  card: { padding: space.medium, borderRadius: 16, borderWidth: 1, gap: space.small, minHeight: 64 },
  title: { fontSize: 17, fontWeight: "600" },
});
