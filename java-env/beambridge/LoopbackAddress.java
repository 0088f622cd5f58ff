// SPDX-License-Identifier: Apache-2.0
package beambridge;

import java.net.InetAddress;
import java.net.InetSocketAddress;

/** A port of this machine that only this machine reaches. */
public final class LoopbackAddress extends InetSocketAddress {
  private static final long serialVersionUID = 1;

  public LoopbackAddress(int port) {
    super(InetAddress.getLoopbackAddress(), port);
  }
}
