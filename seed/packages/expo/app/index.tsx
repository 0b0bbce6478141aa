import { Stack } from "expo-router";
import { useEffect, useState } from "react";
import { FlatList, StyleSheet, Text, View } from "react-native";
import { {{ Entity }}Card } from "../src/components/{{ Entity }}Card";
import { list } from "../src/db";
import type { {{ Entity }} } from "../src/{{ entity }}";
import { space, useTheme } from "../src/theme";

export default function Home() {
  const theme = useTheme();
  const [items, setItems] = useState<{{ Entity }}[] | null>(null);
  useEffect(() => {
    list().then(setItems, () => setItems([]));
  }, []);
  return (
    <View style={styles.screen}>
      <Stack.Screen options={ { title: "{{ Entities_words }}" } } />
      <FlatList
        data={items ?? []}
        keyExtractor={(item) => String(item.id)}
        renderItem={({ item }) => <{{ Entity }}Card item={item} />}
        contentContainerStyle={styles.list}
        ListEmptyComponent={items === null ? null : <Text style={ { color: theme.quiet } }>Nothing here yet. Add the first one.</Text>}
      />
    </View>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1 },
  list: { padding: space.medium, gap: space.medium },
});
