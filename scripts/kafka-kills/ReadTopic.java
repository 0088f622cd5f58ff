// SPDX-License-Identifier: Apache-2.0
// Kafka's own consumer, read committed, since who wrote must not be who counts: prints each message of a
// topic as `partition offset key value`, up to the end that the topic has now.
//
//   java -cp 'JARS/*' ReadTopic.java HOST:PORT TOPIC

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class ReadTopic {
  public static void main(String[] args) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", args[0], "isolation.level", "read_committed");
    try (var consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        var out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16))) {
      List<TopicPartition> all =
          consumer.partitionsFor(args[1]).stream()
              .map(found -> new TopicPartition(found.topic(), found.partition()))
              .toList();
      consumer.assign(all);
      consumer.seekToBeginning(all);
      var ends = consumer.endOffsets(all);
      while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
        for (var message : consumer.poll(Duration.ofSeconds(1))) {
          out.printf(
              "%d %d %s %s\n",
              message.partition(), message.offset(), message.key(), message.value());
        }
      }
    }
  }
}
